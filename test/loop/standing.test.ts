/** Receives that stay armed: what they save, and that what they bring unasked is bounded and is never lost. */
import type { ArenaOffset } from '../../src/base/brand.ts';
import { KIND_IPV4, KIND_UNIX } from '../../src/base/endpoint.ts';
import { converse } from '../../src/loop/conformance/conversation.suite.ts';
import {
  check,
  equal,
  equalBytes,
  type Pair,
  pattern,
  type Script,
  type Stage,
} from '../../src/loop/conformance/script.suite.ts';
import { OP_RECV } from '../../src/loop/loop.ts';
import { needs } from '../support/skip.ts';
import { kernelTest } from './uring-stage.ts';

/** The peer goes on talking to somebody who does not ask. @returns bytes written. */
function* drip(stage: Stage, { peer }: Pair, messages: number, size: number): Script<number> {
  let written = 0;
  for (let i = 0; i < messages; i++) {
    written += Math.max(0, peer.write(pattern(size, written)));
    yield* stage.rest(300);
  }
  return written;
}

function* readAll(stage: Stage, { side, fd }: Pair, length: number, from = 0): Script {
  for (let read = from; read < from + length;) {
    const done = yield* stage.received(side, stage.recv(side, fd));
    equalBytes(done.bytes, pattern(done.result, read), `bytes from ${read}`);
    read += done.result;
  }
}

needs({ linux: true, uring: true }, 'receives that stay armed', () => {
  kernelTest('a message costs no submission of its own', {}, function* (stage, loop) {
    const pair = yield* stage.accepted();
    yield* converse(stage, pair);
    const before = loop.counters.submissions;
    for (let i = 0; i < 10; i++) yield* converse(stage, pair);
    equal(loop.counters.submissions - before, 0, 'submissions');
  });

  for (const size of [1, 500, 100_000]) {
    kernelTest(
      `a reader that stands still while ${size} bytes come again and again costs one buffer more`,
      {},
      function* (stage, loop) {
        const pair = yield* stage.accepted();
        yield* converse(stage, pair);
        const written = yield* drip(stage, pair, 50, size);
        check(loop.buffersHeld() <= 1, `${loop.buffersHeld()} buffers are held`);
        yield* readAll(stage, pair, written);
        equal(loop.buffersHeld(), 0, 'buffers held');
      },
    );
  }

  kernelTest('forty that stand still leave buffers to the others', { smallCount: 45 }, function* (stage, loop) {
    const pairs: Pair[] = [];
    for (let i = 0; i < 41; i++) pairs.push(yield* stage.accepted());
    for (const pair of pairs) yield* converse(stage, pair);
    for (let i = 0; i < 10; i++) {
      for (const { peer } of pairs.slice(1)) peer.write(pattern(200, i * 200));
      yield* stage.rest(2000);
    }
    check(loop.buffersHeld() <= 40, `${loop.buffersHeld()} buffers are held`);
    yield* converse(stage, pairs[0]!);
    for (const pair of pairs.slice(1)) yield* readAll(stage, pair, 2000);
  });

  kernelTest('one that finds no buffer goes on when there is one', { smallCount: 2 }, function* (stage, loop) {
    const [first, second] = [yield* stage.accepted(), yield* stage.accepted()];
    yield* converse(stage, first);
    yield* converse(stage, second);
    first.peer.write(pattern(10));
    const held = yield* stage.next(OP_RECV, first.side, stage.recv(first.side, first.fd));
    const asked = stage.recv(first.side, first.fd);
    yield* stage.rest(500);
    second.peer.write(pattern(20));
    yield* stage.rest(2000);
    first.peer.write(pattern(30));
    yield* stage.rest(2000);
    check(loop.counters.starved > 0, 'the test starves');
    equalBytes((yield* stage.received(second.side, stage.recv(second.side, second.fd))).bytes, pattern(20), 'second');
    equalBytes((yield* stage.received(first.side, asked)).bytes, pattern(30), 'first');
    loop.release(held.buffer as ArenaOffset);
  });

  for (const isStanding of [true, false]) {
    kernelTest(
      `closing in order with bytes that nobody has read resets the stream (${isStanding ? 'armed' : 'not armed'})`,
      { isStanding },
      function* (stage) {
        for (const kind of [KIND_IPV4, KIND_UNIX]) {
          const pair = yield* stage.accepted(kind);
          yield* converse(stage, pair);
          pair.peer.write(pattern(100));
          yield* stage.rest(1000);
          stage.close(pair.fd);
          let end: unknown;
          yield* stage.until(() => (end = pair.peer.read(10)) !== 'empty', 'the end');
          equal(String(end), 'reset', `end of kind ${kind}`);
        }
      },
    );
  }

  kernelTest(
    'closing in order resets the stream also when the bytes that nobody has read are still in the ring',
    { batch: 2 },
    function* (stage) {
      const [first, second] = [yield* stage.accepted(), yield* stage.accepted()];
      yield* converse(stage, first);
      yield* converse(stage, second);
      // One completion fits the batch: that of whoever speaks first.
      const seq = stage.recv(first.side, first.fd);
      yield* stage.rest(2000);
      first.peer.write(pattern(10));
      second.peer.write(pattern(100));
      yield* stage.received(first.side, seq);
      stage.close(second.fd);
      let end: unknown;
      yield* stage.until(() => (end = second.peer.read(10)) !== 'empty', 'the end');
      equal(String(end), 'reset', 'end');
    },
  );

  kernelTest('a bulk of bytes is no conversation: its receives are submitted one by one', {}, function* (stage, loop) {
    const pair = yield* stage.accepted();
    yield* converse(stage, pair);
    const bytes = pattern(200_000);
    equal(pair.peer.write(bytes), bytes.length, 'write');
    const before = loop.counters.submissions;
    yield* readAll(stage, pair, bytes.length);
    check(loop.counters.submissions - before >= 10, `${loop.counters.submissions - before} submissions`);
  });

  kernelTest('messages that are longer than a buffer cost what they always did', {}, function* (stage, loop) {
    const pair = yield* stage.accepted();
    yield* converse(stage, pair);
    for (let i = 0; i < 5; i++) {
      const before = loop.counters.submissions;
      const seq = stage.recv(pair.side, pair.fd);
      yield* stage.rest(1000);
      equal(pair.peer.write(pattern(20_000)), 20_000, 'write');
      const first = yield* stage.received(pair.side, seq);
      yield* readAll(stage, pair, 20_000 - first.result, first.result);
      // The first one ends the conversation, which is one cancel more.
      if (i > 0) equal(loop.counters.submissions - before, 2, 'submissions');
    }
  });

  kernelTest('what a side was used for before says nothing about its next descriptor', {}, function* (stage, loop) {
    const old = yield* stage.accepted();
    yield* converse(stage, old);
    stage.close(old.fd);
    const pair = { ...(yield* stage.accepted()), side: old.side };
    const before = loop.counters.submissions;
    yield* converse(stage, pair, 2);
    equal(loop.counters.submissions - before, 2, 'submissions');
    yield* converse(stage, pair, 3);
    equal(loop.counters.submissions - before, 3, 'submissions');
  });

  kernelTest('what brings its own memory has the socket for itself', {}, function* (stage, loop) {
    const pair = yield* stage.accepted();
    yield* converse(stage, pair);
    const seq = stage.recvInto(pair.side, pair.fd, loop.bigOffset, 1 << 20);
    yield* stage.rest(1000);
    equal(pair.peer.write(pattern(60_000)), 60_000, 'write');
    equalBytes((yield* stage.received(pair.side, seq)).bytes, pattern(60_000), 'all of it at once');
  });

  kernelTest('an idle loop with receives that stay armed does not run', {}, function* (stage, loop) {
    for (let i = 0; i < 10; i++) {
      const pair = yield* stage.accepted();
      yield* converse(stage, pair);
      if (i % 2 === 0) stage.recv(pair.side, pair.fd);
    }
    yield* stage.rest(5000);
    const before = loop.counters.enters;
    yield* stage.rest(300_000);
    check(loop.counters.enters - before <= 2, `entered ${loop.counters.enters - before} times`);
  });
});
