/** What only io_uring has: rings that are too small, a window of buffers, retries inside, no work while idle. */
import { expect, test } from 'vitest';
import { KIND_IPV4, KIND_UNIX } from '../../src/base/endpoint.ts';
import type { ArenaOffset } from '../../src/base/brand.ts';
import { ECANCELED, ECONNRESET, EPIPE } from '../../src/base/errno.ts';
import { OP_RECV, OP_SEND, OP_WATCH } from '../../src/loop/loop.ts';
import {
  check,
  equal,
  equalBytes,
  pattern,
  type Pair,
  type Script,
  type Stage,
} from '../../src/loop/conformance/script.suite.ts';
import { needs } from '../support/skip.ts';
import { inLoop, kernelTest } from './uring-stage.ts';

/** Echoes `bytes` once on every pair at the same time, through small buffers. */
function* echoAll(stage: Stage, pairs: readonly Pair[], bytes: Uint8Array): Script {
  const receives = pairs.map((pair) => stage.recv(pair.side, pair.fd));
  for (const pair of pairs) equal(pair.peer.write(bytes), bytes.length, 'write');
  const left = new Set(pairs.keys());
  const sends = new Map<number, { seq: number; buffer: number }>();
  yield* stage.until(() => {
    for (const done of stage.arrived.splice(0)) {
      const index = pairs.findIndex((pair) => pair.side === done.slot);
      const pair = pairs[index]!;
      if (done.op === OP_RECV) {
        equal(done.seq, receives[index]!, 'seq');
        equalBytes(done.bytes, bytes, 'received');
        sends.set(index, { seq: stage.send(pair.side, pair.fd, done.buffer, done.result), buffer: done.buffer });
      } else {
        equal(done.op, OP_SEND, 'operation');
        equal(done.result, bytes.length, 'sent');
        stage.loop.release(sends.get(index)!.buffer as ArenaOffset);
        left.delete(index);
      }
    }
    return left.size === 0;
  }, 'all echoes');
  for (const pair of pairs) {
    const echo = pair.peer.read(bytes.length + 1);
    check(echo instanceof Uint8Array, `echo is ${String(echo)}`);
    equalBytes(echo, bytes, 'echo');
  }
}

needs({ linux: true, uring: true }, 'uring, inside', () => {
  for (const [name, setting] of [
    ['rings and batches that are far too small', { submissions: 4, completions: 8, batch: 3 }],
    ['one buffer in the window', { window: 1 }],
    ['fewer buffers than sides', { smallCount: 3 }],
    ['all of these', { submissions: 2, completions: 2, batch: 2, window: 2, smallCount: 3 }],
  ] as const) {
    kernelTest(`forty echoes at once come through ${name}`, setting, function* (stage, loop) {
      const pairs: Pair[] = [];
      for (let i = 0; i < 40; i++) pairs.push(yield* stage.accepted());
      for (let round = 0; round < 5; round++) yield* echoAll(stage, pairs, pattern(1000 + round));
      check('smallCount' in setting || 'window' in setting ? loop.counters.starved > 0 : true, 'the test starves');
      check('completions' in setting ? loop.counters.overflows > 0 : true, 'the test overflows');
    });
  }

  kernelTest(
    'a starved receive sleeps, can be cancelled and goes on when a buffer comes back',
    { smallCount: 1 },
    function* (stage, loop) {
      const first = yield* stage.accepted();
      const second = yield* stage.accepted();
      first.peer.write(pattern(10));
      second.peer.write(pattern(20));
      const held = yield* stage.next(OP_RECV, first.side, stage.recv(first.side, first.fd));
      const cancelled = stage.recv(second.side, second.fd);
      yield* stage.rest(5000);
      const before = loop.counters.enters;
      yield* stage.rest(100_000);
      check(loop.counters.enters - before <= 2, `entered ${loop.counters.enters - before} times while starved`);
      loop.cancel(OP_RECV, second.side, cancelled);
      equal((yield* stage.next(OP_RECV, second.side, cancelled)).result, -ECANCELED, 'cancelled');
      const waiting = stage.recv(second.side, second.fd);
      yield* stage.rest(5000);
      loop.release(held.buffer as ArenaOffset);
      equalBytes((yield* stage.received(second.side, waiting)).bytes, pattern(20), 'received');
    },
  );

  kernelTest('a buffer given back twice, or something that is none, is found at once', {}, function* (stage, loop) {
    const { side, fd, peer } = yield* stage.accepted();
    peer.write(pattern(1));
    const done = yield* stage.next(OP_RECV, side, stage.recv(side, fd));
    expect(() => loop.release((done.buffer + 1) as ArenaOffset)).toThrow('small buffer');
    expect(() => loop.release(0 as ArenaOffset)).toThrow('small buffer');
    loop.release(done.buffer as ArenaOffset);
  });

  kernelTest(
    'an abort that a send was told of is no orderly end for the receive after it',
    {},
    function* (stage, loop) {
      const { side, fd, peer } = yield* stage.accepted(KIND_IPV4, { receiveBuffer: 4096 });
      const send = stage.send(side, fd, loop.bigOffset, 8 << 20);
      yield* stage.rest(20_000);
      peer.reset();
      const sent = yield* stage.next(OP_SEND, side, send);
      check(sent.result === -ECONNRESET || sent.result === -EPIPE, `send gave ${sent.result}`);
      const received = yield* stage.received(side, stage.recv(side, fd));
      check(received.result < 0, `receive gave ${received.result}`);
    },
  );

  kernelTest('watch and receive in flight both learn of an abort', {}, function* (stage) {
    for (let i = 0; i < 20; i++) {
      const { side, fd, peer } = yield* stage.accepted();
      const first = i % 2 === 0 ? stage.watch(side, fd) : stage.recv(side, fd);
      const second = i % 2 === 0 ? stage.recv(side, fd) : stage.watch(side, fd);
      yield* stage.rest(500);
      peer.reset();
      const ops = i % 2 === 0 ? [OP_WATCH, OP_RECV] : [OP_RECV, OP_WATCH];
      equal((yield* stage.next(ops[0]!, side, first)).result, -ECONNRESET, 'first');
      equal((yield* stage.next(ops[1]!, side, second)).result, -ECONNRESET, 'second');
    }
  });

  for (const [name, kind] of [
    ['TCP', KIND_IPV4],
    ['unix', KIND_UNIX],
  ] as const) {
    kernelTest(
      `a watch of a ${name} socket that ended in order sleeps and can be cancelled`,
      {},
      function* (stage, loop) {
        const { side, fd, peer } = yield* stage.accepted(kind);
        const seq = stage.watch(side, fd);
        peer.shutdown();
        equal((yield* stage.received(side, stage.recv(side, fd))).result, 0, 'end of stream');
        equal(loop.shutdown(fd), 0, 'shutdown');
        yield* stage.rest(5000);
        peer.close();
        yield* stage.rest(5000);
        const before = loop.counters.enters;
        yield* stage.rest(100_000);
        check(loop.counters.enters - before <= 2, `entered ${loop.counters.enters - before} times`);
        loop.cancel(OP_WATCH, side, seq);
        equal((yield* stage.next(OP_WATCH, side, seq)).result, -ECANCELED, 'cancelled');
      },
    );
  }

  kernelTest('a send that is cancelled after a part was taken ends as cancelled', {}, function* (stage, loop) {
    const { side, fd, peer } = yield* stage.accepted(KIND_IPV4, { receiveBuffer: 4096 });
    const seq = stage.send(side, fd, loop.bigOffset, 8 << 20);
    yield* stage.rest(10_000);
    check(peer.read(1000) instanceof Uint8Array, 'a part has arrived');
    loop.cancel(OP_SEND, side, seq);
    equal((yield* stage.next(OP_SEND, side, seq)).result, -ECANCELED, 'cancelled');
  });

  kernelTest(
    'a send that is cancelled while its peer reads ends, whatever the kernel does then',
    {},
    function* (stage, loop) {
      const pairs: Pair[] = [];
      for (let i = 0; i < 30; i++) pairs.push(yield* stage.accepted(KIND_IPV4, { receiveBuffer: 4096 }));
      for (let round = 0; round < 40; round++) {
        const seqs = pairs.map(({ side, fd }) => stage.send(side, fd, loop.bigOffset, 1 << 20));
        yield* stage.rest(round * 20);
        // Sends of all are woken, and most have to wait again, as they are cancelled.
        for (const { peer } of pairs) peer.read(40_000);
        pairs.forEach(({ side }, i) => loop.cancel(OP_SEND, side, seqs[i]!));
        for (const [i, { side }] of pairs.entries()) {
          const { result } = yield* stage.next(OP_SEND, side, seqs[i]!);
          check(result === -ECANCELED || result === 1 << 20, `send ${i} of round ${round} gave ${result}`);
        }
      }
    },
  );

  kernelTest('an idle loop with everything armed does not run', {}, function* (stage, loop) {
    for (let i = 0; i < 20; i++) {
      const { side, fd } = yield* stage.accepted();
      stage.recv(side, fd);
      stage.watch(side, fd);
    }
    stage.accept(stage.nextListener(), stage.net.listen(KIND_IPV4).fd, 4);
    yield* stage.rest(5000);
    const before = loop.counters.enters;
    yield* stage.rest(300_000);
    check(loop.counters.enters - before <= 2, `entered ${loop.counters.enters - before} times`);
  });

  test('a loop that breaks with operations in flight can be destroyed', async () => {
    await expect(
      inLoop({}, function* (stage, loop) {
        const { side, fd } = yield* stage.accepted();
        stage.recv(side, fd);
        stage.watch(side, fd);
        stage.send(side, fd, loop.bigOffset, 8 << 20);
        yield* stage.rest(2000);
        throw new Error('the engine breaks');
      }),
    ).rejects.toThrow('the engine breaks');
  });

  test('the engine submitting the same operation twice is found at once', async () => {
    await expect(
      inLoop({}, function* (stage) {
        const { side, fd } = yield* stage.accepted();
        stage.recv(side, fd);
        stage.recv(side, fd);
      }),
    ).rejects.toThrow('one operation');
  });
});
