import { KIND_IPV4, KIND_UNIX } from '../../base/endpoint.ts';
import { ECANCELED, ECONNRESET, EPIPE } from '../../base/errno.ts';
import { OP_RECV, OP_SEND } from '../loop.ts';
import { conversationIntoPipe } from './conversation.suite.ts';
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

const TOTAL = 3 << 20;
/** A peer that takes this little stalls a full pipe for sure. */
const NARROW = { receiveBuffer: 8192 };

function take(stage: Stage): number {
  const pipe = stage.loop.takePipe();
  check(pipe > 0, 'there is a pipe');
  return pipe;
}

/** Reads what has come to the peer; fails on anything but `pattern`. @returns how far it has come. */
function drain({ peer }: Pair, from: number): number {
  let read = from;
  for (let bytes = peer.read(65_536); bytes !== 'empty'; bytes = peer.read(65_536)) {
    check(typeof bytes !== 'string', `the peer reads ${String(bytes)} after ${read} bytes`);
    equalBytes(bytes, pattern(bytes.length, read), `bytes from ${read}`);
    read += bytes.length;
  }
  return read;
}

/** Moves one pipe full from `source` to `target`, whose peer reads meanwhile. @returns what its peer has read. */
function* move(stage: Stage, source: Pair, target: Pair, pipe: number, read: number): Script<number> {
  const received = yield* stage.next(OP_RECV, source.side, stage.recvPipe(source.side, source.fd, pipe));
  check(received.result > 0, `receive gave ${received.result}`);
  const sent = stage.sendPipe(target.side, target.fd, pipe, received.result);
  let at = read;
  yield* stage.until(() => {
    at = drain(target, at);
    return stage.isDone(OP_SEND, target.side, sent);
  }, 'the pipe to be sent');
  equal((yield* stage.next(OP_SEND, target.side, sent)).result, received.result, 'send');
  return at;
}

function through(name: string, kind: number): Case {
  return {
    name: `${name}: 3 MB go from one socket to another through a pipe, unchanged`,
    *script(stage) {
      const [source, target] = [yield* stage.accepted(kind), yield* stage.connected(kind)];
      const pipe = take(stage);
      const bytes = pattern(TOTAL);
      let [written, read] = [0, 0];
      while (read < TOTAL) {
        if (written < TOTAL) written += Math.max(0, source.peer.write(bytes.subarray(written, written + 700_000)));
        if (written > read) read = yield* move(stage, source, target, pipe, read);
        read = drain(target, read);
      }
      stage.loop.givePipe(pipe);
    },
  };
}

function pieces(name: string, kind: number): Case {
  return {
    name: `${name}: more small pieces than a pipe has places for all arrive`,
    *script(stage) {
      const [source, target] = [yield* stage.accepted(kind), yield* stage.connected(kind)];
      const pipe = take(stage);
      const bytes = pattern(600);
      // A unix socket takes fewer than that: each piece costs it as much as a large one.
      let written = 0;
      while (written < bytes.length && source.peer.write(bytes.subarray(written, written + 1)) === 1) written++;
      check(written > 256, `only ${written} pieces are on their way`);
      yield* stage.rest(2000);
      let read = 0;
      while (read < written) read = drain(target, yield* move(stage, source, target, pipe, read));
      stage.loop.givePipe(pipe);
    },
  };
}

/** Fills a pipe and sends it to a peer that does not read. */
function* stalled(stage: Stage): Script<{ target: Pair; pipe: number; seq: number; length: number }> {
  const [source, target] = [yield* stage.accepted(), yield* stage.connected(KIND_IPV4, NARROW)];
  // As much as the way to the target takes, then a pipe full that it does not take.
  const bytes = pattern(4 << 20);
  let written = 0;
  const pipe = take(stage);
  for (let round = 0; round < 200; round++) {
    written += Math.max(0, source.peer.write(bytes.subarray(written % (1 << 20))));
    const received = yield* stage.next(OP_RECV, source.side, stage.recvPipe(source.side, source.fd, pipe));
    check(received.result > 0, `receive gave ${received.result}`);
    const seq = stage.sendPipe(target.side, target.fd, pipe, received.result);
    yield* stage.rest(3000);
    if (!stage.isDone(OP_SEND, target.side, seq)) return { target, pipe, seq, length: received.result };
    equal((yield* stage.next(OP_SEND, target.side, seq)).result, received.result, 'send');
  }
  throw new Error('the way to the target never fills');
}

export const pipeCases: readonly Case[] = [
  through('IPv4', KIND_IPV4),
  through('unix', KIND_UNIX),
  pieces('IPv4', KIND_IPV4),
  pieces('unix', KIND_UNIX),
  conversationIntoPipe,
  {
    name: 'a receive into a pipe gives 0 at the end of the stream, and the error of an abort',
    *script(stage) {
      const [ended, aborted] = [yield* stage.accepted(), yield* stage.accepted()];
      const pipe = take(stage);
      ended.peer.shutdown();
      equal((yield* stage.next(OP_RECV, ended.side, stage.recvPipe(ended.side, ended.fd, pipe))).result, 0, 'receive');
      const seq = stage.recvPipe(aborted.side, aborted.fd, pipe);
      yield* stage.rest(1000);
      aborted.peer.reset();
      equal((yield* stage.next(OP_RECV, aborted.side, seq)).result, -ECONNRESET, 'receive');
      stage.loop.givePipe(pipe);
    },
  },
  {
    name: 'a send out of a pipe to a peer that reads again goes on, and completes once',
    *script(stage) {
      const { target, pipe, seq, length } = yield* stalled(stage);
      yield* stage.until(() => {
        for (let bytes = target.peer.read(65_536); bytes !== 'empty'; bytes = target.peer.read(65_536)) {
          check(typeof bytes !== 'string', `the peer reads ${String(bytes)}`);
        }
        return stage.isDone(OP_SEND, target.side, seq);
      }, 'the send');
      equal((yield* stage.next(OP_SEND, target.side, seq)).result, length, 'send');
      stage.loop.givePipe(pipe);
    },
  },
  {
    name: 'a send out of a pipe can be cancelled; what is left is lost with the pipe, and the next pipe is empty',
    *script(stage) {
      const { target, pipe, seq } = yield* stalled(stage);
      stage.loop.cancel(OP_SEND, target.side, seq);
      equal((yield* stage.next(OP_SEND, target.side, seq)).result, -ECANCELED, 'send');
      stage.loop.givePipe(pipe);
      const [source, other] = [yield* stage.accepted(), yield* stage.connected()];
      const next = take(stage);
      equal(source.peer.write(pattern(1000)), 1000, 'bytes written');
      let read = 0;
      while (read < 1000) read = drain(other, yield* move(stage, source, other, next, read));
      stage.loop.givePipe(next);
    },
  },
  {
    name: 'a receive into a pipe that finds nothing can be cancelled, and the pipe be used for another',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const pipe = take(stage);
      for (let round = 0; round < 3; round++) {
        const seq = stage.recvPipe(side, fd, pipe);
        if (round > 0) yield* stage.rest(1000);
        stage.loop.cancel(OP_RECV, side, seq);
        equal((yield* stage.next(OP_RECV, side, seq)).result, -ECANCELED, `receive in round ${round}`);
      }
      stage.loop.givePipe(pipe);
      peer.write(ascii('plain'));
      equalBytes((yield* stage.received(side, stage.recv(side, fd))).bytes, ascii('plain'), 'bytes');
    },
  },
  {
    name: 'a send out of a pipe to a peer that has aborted fails, and nothing else does',
    *script(stage) {
      const { target, pipe, seq } = yield* stalled(stage);
      target.peer.reset();
      const { result } = yield* stage.next(OP_SEND, target.side, seq);
      check(result === -ECONNRESET || result === -EPIPE, `send gave ${result}`);
      stage.loop.givePipe(pipe);
    },
  },
  {
    name: 'pipes come to an end, and idle ones are closed on demand',
    *script(stage) {
      const pipes: number[] = [];
      for (let pipe = stage.loop.takePipe(); pipe > 0; pipe = stage.loop.takePipe()) pipes.push(pipe);
      check(pipes.length > 0 && new Set(pipes).size === pipes.length, 'each pipe is lent once');
      for (const pipe of pipes) stage.loop.givePipe(pipe);
      stage.loop.trimPipes();
      equal(stage.loop.pipeDescriptors(), 0, 'descriptors of pipes after a trim');
      stage.loop.givePipe(take(stage));
      yield undefined;
    },
  },
];
