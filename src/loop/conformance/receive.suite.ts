import { KIND_IPV4, KIND_UNIX } from '../../base/endpoint.ts';
import { ECONNRESET } from '../../base/errno.ts';
import { OP_RECV, OP_SEND } from '../loop.ts';
import {
  ascii,
  type Case,
  check,
  equal,
  equalBytes,
  type Pair,
  pattern,
  type Script,
  type Stage,
} from './script.suite.ts';

/** Receives until the end of the stream; writes `bytes` from the peer meanwhile, as fast as they go. */
function* receiveAll(stage: Stage, pair: Pair, bytes: Uint8Array, submit: () => number): Script {
  let written = 0;
  let read = 0;
  for (;;) {
    const seq = submit();
    // A new submission each time, so that the peer gets further between any two of them.
    if (written < bytes.length) written += Math.max(0, pair.peer.write(bytes.subarray(written, written + 300_000)));
    if (written === bytes.length) pair.peer.shutdown();
    const done = yield* stage.received(pair.side, seq);
    if (done.result === 0) break;
    check(done.result > 0, `receive failed after ${read} bytes: ${done.result}`);
    equalBytes(done.bytes, bytes.subarray(read, read + done.result), `bytes from ${read}`);
    read += done.result;
  }
  equal(read, bytes.length, 'bytes in all');
}

function kinds(name: string, kind: number): readonly Case[] {
  return [
    {
      name: `${name}: receives what comes later, in small buffers`,
      *script(stage) {
        const { side, fd, peer } = yield* stage.accepted(kind);
        for (let i = 0; i < 20; i++) {
          const seq = stage.recv(side, fd);
          if (i % 3 === 0) yield* stage.rest(1000);
          peer.write(pattern(100 + i, i));
          const done = yield* stage.received(side, seq);
          equalBytes(done.bytes, pattern(100 + i, i), `message ${i}`);
          check(done.buffer > 0 && done.buffer < stage.loop.bigOffset, 'the buffer is a small one, never 0');
        }
      },
    },
    {
      name: `${name}: receives what is already there`,
      *script(stage) {
        const { side, fd, peer } = yield* stage.accepted(kind);
        for (let i = 0; i < 5; i++) {
          peer.write(pattern(50, i));
          yield* stage.rest(1000);
          equalBytes((yield* stage.received(side, stage.recv(side, fd))).bytes, pattern(50, i), `message ${i}`);
        }
      },
    },
    {
      name: `${name}: the end is 0, after the bytes, also when asked again`,
      *script(stage) {
        const { side, fd, peer } = yield* stage.accepted(kind);
        const seq = stage.recv(side, fd);
        peer.write(ascii('last words'));
        peer.shutdown();
        equalBytes((yield* stage.received(side, seq)).bytes, ascii('last words'), 'bytes');
        for (let i = 0; i < 3; i++) equal((yield* stage.received(side, stage.recv(side, fd))).result, 0, 'end');
      },
    },
    {
      name: `${name}: the end wakes a receive that waits`,
      *script(stage) {
        const { side, fd, peer } = yield* stage.accepted(kind);
        const seq = stage.recv(side, fd);
        yield* stage.rest(2000);
        peer.close();
        equal((yield* stage.received(side, seq)).result, 0, 'end');
      },
    },
    {
      name: `${name}: 4 MB arrive whole through small buffers`,
      *script(stage) {
        const pair = yield* stage.accepted(kind);
        yield* receiveAll(stage, pair, pattern(4 << 20), () => stage.recv(pair.side, pair.fd));
      },
    },
    {
      name: `${name}: 8 MB arrive whole through the engine's own memory`,
      *script(stage) {
        const pair = yield* stage.accepted(kind);
        const { bigOffset } = stage.loop;
        yield* receiveAll(stage, pair, pattern(8 << 20), () => stage.recvInto(pair.side, pair.fd, bigOffset, 1 << 18));
      },
    },
  ];
}

export const receiveCases: readonly Case[] = [
  ...kinds('IPv4', KIND_IPV4),
  ...kinds('unix', KIND_UNIX),
  {
    name: 'a receive into own memory takes what is there and no more than it may',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const offset = stage.loop.bigOffset + 4096;
      stage.loop.arena.fill(0xee, offset, offset + 200);
      peer.write(pattern(100));
      const first = yield* stage.next(OP_RECV, side, stage.recvInto(side, fd, offset, 40));
      equal(first.result, 40, 'bytes of the first');
      equal(first.buffer, offset, 'place of the first');
      equalBytes(first.bytes, pattern(40), 'first');
      check(stage.loop.arena[offset + 40] === 0xee, 'nothing is written behind the end');
      const second = yield* stage.next(OP_RECV, side, stage.recvInto(side, fd, offset, 1000));
      equalBytes(second.bytes, pattern(60, 40), 'second');
    },
  },
  {
    name: 'a buffer filled exactly is followed by what comes next, or by the end',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const size = stage.loop.smallSize;
      let from = 0;
      for (const length of [size, size * 2, size, 1, size]) {
        check(peer.write(pattern(length, from)) === length, 'the peer writes all at once');
        for (const end = from + length; from < end;) {
          const done = yield* stage.received(side, stage.recv(side, fd));
          check(done.result > 0, `receive gave ${done.result}`);
          equalBytes(done.bytes, pattern(done.result, from), `bytes from ${from}`);
          from += done.result;
        }
      }
      const seq = stage.recv(side, fd);
      yield* stage.rest(2000);
      peer.shutdown();
      equal((yield* stage.received(side, seq)).result, 0, 'end');
    },
  },
  {
    name: 'an abort while a receive waits is ECONNRESET',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const seq = stage.recv(side, fd);
      yield* stage.rest(2000);
      peer.reset();
      equal((yield* stage.received(side, seq)).result, -ECONNRESET, 'receive');
    },
  },
  {
    name: 'an abort before the receive is ECONNRESET',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      peer.reset();
      yield* stage.rest(2000);
      equal((yield* stage.received(side, stage.recv(side, fd))).result, -ECONNRESET, 'receive');
    },
  },
  {
    name: 'an abort behind bytes is ECONNRESET, never an end',
    *script(stage) {
      for (const isArmed of [true, false]) yield* abortBehindBytes(stage, yield* stage.accepted(), isArmed);
    },
  },
  {
    name: 'an abort behind bytes is ECONNRESET, also when we have ended our direction',
    *script(stage) {
      for (const isArmed of [true, false]) {
        const pair = yield* stage.accepted();
        equal(stage.loop.shutdown(pair.fd), 0, 'shutdown');
        yield* stage.until(() => pair.peer.read(1) === 'eof', 'the end');
        yield* abortBehindBytes(stage, pair, isArmed);
      }
    },
  },
  {
    name: 'an abort behind bytes is ECONNRESET, also when we could not send all',
    *script(stage) {
      for (const isArmed of [true, false]) {
        const pair = yield* stage.connected(KIND_IPV4, { receiveBuffer: 8192 });
        const seq = stage.send(pair.side, pair.fd, stage.loop.bigOffset, stage.loop.bigLength);
        yield* stage.rest(5000);
        yield* abortBehindBytes(stage, pair, isArmed);
        yield* stage.next(OP_SEND, pair.side, seq);
      }
    },
  },
];

function* abortBehindBytes(stage: Stage, { side, fd, peer }: Pair, isArmed: boolean): Script {
  let seq = isArmed ? stage.recv(side, fd) : -1;
  peer.write(pattern(40_000));
  peer.reset();
  yield* stage.rest(1000);
  if (seq < 0) seq = stage.recv(side, fd);
  for (let read = 0; ; seq = stage.recv(side, fd)) {
    const done = yield* stage.received(side, seq);
    if (done.result <= 0) {
      equal(done.result, -ECONNRESET, `after ${read} bytes`);
      break;
    }
    equalBytes(done.bytes, pattern(done.result, read), `bytes from ${read}`);
    read += done.result;
  }
}
