import { KIND_IPV4, KIND_UNIX } from '../../base/endpoint.ts';
import { ECONNRESET, EPIPE } from '../../base/errno.ts';
import { OP_RECV, OP_SEND } from '../loop.ts';
import type { Peer } from './net.ts';
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

const BIG = 6 << 20;
/** A peer that takes this little stalls a big send for sure. */
const NARROW = { receiveBuffer: 8192 };

function fill(stage: Stage, length: number): number {
  stage.loop.arena.set(pattern(length), stage.loop.bigOffset);
  return stage.loop.bigOffset;
}

/** Reads all that is there; fails on anything but `pattern` from `from` on. */
function drain(peer: Peer, from: number, max: number): number {
  let read = 0;
  while (read < max) {
    const bytes = peer.read(Math.min(65_536, max - read));
    if (bytes === 'empty') break;
    check(typeof bytes !== 'string', `the peer reads ${String(bytes)} after ${from + read} bytes`);
    equalBytes(bytes, pattern(bytes.length, from + read), `bytes from ${from + read}`);
    read += bytes.length;
  }
  return read;
}

/** Starts a send that cannot complete before the peer reads. */
function* stalled(stage: Stage, kind: number): Script<Pair & { seq: number }> {
  const pair = yield* stage.connected(kind, NARROW);
  const seq = stage.send(pair.side, pair.fd, fill(stage, BIG), BIG);
  yield* stage.rest(5000);
  equal(stage.arrived.length, 0, 'completions while the peer reads nothing');
  return { ...pair, seq };
}

/** Progress once it has come to rest: kernels put acknowledgements off for 40 ms. */
function* restingProgress(stage: Stage, fd: Pair['fd']): Script<number> {
  for (;;) {
    const progress = stage.loop.progress(fd);
    yield* stage.rest(50_000);
    if (stage.loop.progress(fd) === progress) return progress;
  }
}

function isBroken(result: number): boolean {
  return result === -EPIPE || result === -ECONNRESET;
}

function slowReader(name: string, kind: number): Case {
  return {
    name: `${name}: sends all of it to a slow reader, and completes once`,
    *script(stage) {
      const { side, fd, peer, seq } = yield* stalled(stage, kind);
      let read = 0;
      while (read < BIG) {
        read += drain(peer, read, 200_000);
        stage.net.settle();
        yield undefined;
      }
      equal((yield* stage.next(OP_SEND, side, seq)).result, BIG, 'send');
      equal(stage.loop.shutdown(fd), 0, 'shutdown');
      yield* stage.until(() => peer.read(1) === 'eof', 'the end');
    },
  };
}

function measures(name: string, kind: number): Case {
  return {
    name: `${name}: progress changes with what the peer takes, unsent is what it has not taken`,
    *script(stage) {
      const { side, fd, peer, seq } = yield* stalled(stage, kind);
      const before = yield* restingProgress(stage, fd);
      check(before >= 0, 'progress of an open connection');
      check(stage.loop.unsent(fd) > 0, 'a stalled send leaves bytes unsent');
      yield* stage.rest(5000);
      equal(stage.loop.progress(fd), before, 'progress while the peer reads nothing');
      let read = drain(peer, 0, 1 << 20);
      check(read > 0, 'the peer reads');
      while (stage.loop.progress(fd) === before && read < BIG) {
        stage.net.settle();
        yield undefined;
        read += drain(peer, read, 1 << 20);
      }
      check(stage.loop.progress(fd) !== before, 'progress changes when the peer reads');
      while (read < BIG) {
        read += drain(peer, read, 1 << 20);
        stage.net.settle();
        yield undefined;
      }
      equal((yield* stage.next(OP_SEND, side, seq)).result, BIG, 'send');
      yield* stage.until(() => stage.loop.unsent(fd) === 0, 'everything to be taken');
    },
  };
}

export const sendCases: readonly Case[] = [
  slowReader('IPv4', KIND_IPV4),
  slowReader('unix', KIND_UNIX),
  measures('IPv4', KIND_IPV4),
  measures('unix', KIND_UNIX),
  {
    name: 'both directions of both sides flow at the same time',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const total = 3 << 20;
      const bytes = pattern(total);
      const into = fill(stage, total) + BIG;
      const sent = stage.send(side, fd, stage.loop.bigOffset, total);
      let [written, read, received] = [0, 0, 0];
      while (received < total) {
        const seq = stage.recvInto(side, fd, into, 100_000);
        if (written < total) written += Math.max(0, peer.write(bytes.subarray(written, written + 150_000)));
        read += drain(peer, read, 150_000);
        const done = yield* stage.received(side, seq);
        check(done.result > 0, `receive gave ${done.result}`);
        equalBytes(done.bytes, bytes.subarray(received, received + done.result), `bytes from ${received}`);
        received += done.result;
      }
      while (read < total) {
        read += drain(peer, read, total);
        stage.net.settle();
        yield undefined;
      }
      equal((yield* stage.next(OP_SEND, side, sent)).result, total, 'send');
    },
  },
  {
    name: 'a send that waits fails when the peer aborts',
    *script(stage) {
      const { side, peer, seq } = yield* stalled(stage, KIND_IPV4);
      peer.reset();
      const { result } = yield* stage.next(OP_SEND, side, seq);
      check(isBroken(result), `send gave ${result}`);
    },
  },
  {
    name: 'a stream that ended in order stays so for its reader, though the peer takes nothing more',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const answer = ascii('the whole answer');
      equal(peer.write(answer), answer.length, 'answer');
      peer.close();
      let result = 0;
      while (!isBroken(result)) {
        stage.net.settle();
        yield undefined;
        result = (yield* stage.next(OP_SEND, side, stage.send(side, fd, stage.loop.bigOffset, 100))).result;
      }
      equal(result, -EPIPE, 'send after an orderly end');
      const first = yield* stage.received(side, stage.recv(side, fd));
      equalBytes(first.bytes, answer, 'answer');
      equal((yield* stage.next(OP_RECV, side, stage.recv(side, fd))).result, 0, 'end');
    },
  },
  {
    name: 'sending to a peer that is gone fails without a signal',
    *script(stage) {
      for (const kind of [KIND_IPV4, KIND_UNIX]) {
        const { side, fd, peer } = yield* stage.accepted(kind);
        if (kind === KIND_UNIX) peer.close();
        else peer.reset();
        const offset = fill(stage, 10);
        let result = 0;
        for (let i = 0; i < 10 && result >= 0; i++) {
          yield* stage.rest(1000);
          result = (yield* stage.next(OP_SEND, side, stage.send(side, fd, offset, 10))).result;
        }
        check(isBroken(result), `send gave ${result}`);
      }
    },
  },
  {
    name: 'a send that meets the abort first does not turn it into an orderly end',
    *script(stage) {
      for (const isStalled of [false, true]) {
        const { side, fd, peer, seq } = isStalled
          ? yield* stalled(stage, KIND_IPV4)
          : { ...(yield* stage.connected()), seq: -1 };
        peer.reset();
        stage.net.settle();
        const own = seq < 0 ? stage.send(side, fd, fill(stage, 10), 10) : seq;
        const { result } = yield* stage.next(OP_SEND, side, own);
        check(isBroken(result), `send gave ${result}`);
        equal((yield* stage.received(side, stage.recv(side, fd))).result, -ECONNRESET, 'receive after it');
      }
    },
  },
  {
    name: 'a send completes while the peer has ended its own direction',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      peer.shutdown();
      equal((yield* stage.received(side, stage.recv(side, fd))).result, 0, 'end');
      stage.loop.arena.set(ascii('still here'), stage.loop.bigOffset);
      equal((yield* stage.next(OP_SEND, side, stage.send(side, fd, stage.loop.bigOffset, 10))).result, 10, 'send');
      stage.net.settle();
      equalBytes(peer.read(100) as Uint8Array, ascii('still here'), 'what the peer reads');
    },
  },
];
