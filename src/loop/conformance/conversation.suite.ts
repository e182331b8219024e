/** Streams that begin as a conversation, message by message, and go on in another way. */
import { KIND_IPV4, KIND_UNIX } from '../../base/endpoint.ts';
import { ECANCELED, ECONNRESET } from '../../base/errno.ts';
import { OP_RECV, OP_WATCH } from '../loop.ts';
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

/** Messages after which a loop may have settled down to them. */
const MESSAGES = 5;

/** A conversation: the peer speaks, is heard, and waits. */
export function* converse(stage: Stage, { side, fd, peer }: Pair, messages = MESSAGES): Script {
  for (let i = 0; i < messages; i++) {
    const seq = stage.recv(side, fd);
    yield* stage.rest(500);
    equal(peer.write(pattern(100, i)), 100, 'write');
    equalBytes((yield* stage.received(side, seq)).bytes, pattern(100, i), `message ${i}`);
  }
}

/** Has `bytes` come while nobody asks, piece by piece, so that some of it may be in the loop's hands already. */
function* unasked(stage: Stage, { peer }: Pair, bytes: Uint8Array, pieces: number): Script {
  const size = Math.ceil(bytes.length / pieces);
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    equal(peer.write(piece), piece.length, 'write');
    yield* stage.rest(500);
  }
}

/** Receives `bytes`, each time as `ask` does it. */
function* expectBytes(bytes: Uint8Array, ask: (left: number) => Script<Uint8Array>): Script {
  let read = 0;
  while (read < bytes.length) {
    const came = yield* ask(bytes.length - read);
    equalBytes(came, bytes.subarray(read, read + came.length), `bytes from ${read}`);
    read += came.length;
  }
}

function* receiveSmall(stage: Stage, { side, fd }: Pair): Script<Uint8Array> {
  const done = yield* stage.received(side, stage.recv(side, fd));
  check(done.result > 0, `receive gave ${done.result}`);
  return done.bytes;
}

function* receiveInto(stage: Stage, { side, fd }: Pair, length: number): Script<Uint8Array> {
  const offset = stage.loop.bigOffset + 777;
  const done = yield* stage.received(side, stage.recvInto(side, fd, offset, length));
  check(done.result > 0 && done.result <= length, `receive gave ${done.result} of ${length}`);
  equal(done.buffer, offset, 'where it is');
  return done.bytes;
}

/** Through a pipe to another connection, whose peer reads it. */
function* receivePipe(stage: Stage, { side, fd }: Pair, target: Pair, pipe: number): Script<Uint8Array> {
  const done = yield* stage.next(OP_RECV, side, stage.recvPipe(side, fd, pipe));
  check(done.result > 0, `receive gave ${done.result}`);
  stage.sendPipe(target.side, target.fd, pipe, done.result);
  const bytes = new Uint8Array(done.result);
  let read = 0;
  yield* stage.until(() => {
    const came = target.peer.read(bytes.length - read);
    if (came instanceof Uint8Array) {
      bytes.set(came, read);
      read += came.length;
    }
    return read === bytes.length && stage.inFlight() === 0;
  }, 'the pipe to be sent');
  stage.arrived.length = 0;
  return bytes;
}

/** The message may be lost, as TCP allows, but not the abort behind it. */
function* expectAbort(stage: Stage, { side, fd }: Pair, seq: number): Script {
  const first = yield* stage.received(side, seq);
  if (first.result === -ECONNRESET) return;
  equalBytes(first.bytes, pattern(100), 'message');
  equal((yield* stage.received(side, stage.recv(side, fd))).result, -ECONNRESET, 'what comes after it');
}

function kinds(name: string, kind: number): readonly Case[] {
  return [
    {
      name: `${name}: what comes unasked after a conversation is received in order, in small buffers`,
      *script(stage) {
        const pair = yield* stage.accepted(kind);
        for (const [length, pieces] of [
          [300, 3],
          [40_000, 1],
          [60_000, 7],
        ] as const) {
          yield* converse(stage, pair);
          yield* unasked(stage, pair, pattern(length, 9), pieces);
          yield* expectBytes(pattern(length, 9), () => receiveSmall(stage, pair));
        }
      },
    },
    {
      name: `${name}: what comes unasked after a conversation is received in order, into memory of any size`,
      *script(stage) {
        const pair = yield* stage.accepted(kind);
        for (const size of [1, 70, 100_000]) {
          yield* converse(stage, pair);
          yield* unasked(stage, pair, pattern(300, 7), 3);
          yield* expectBytes(pattern(300, 7), (left) => receiveInto(stage, pair, Math.min(size, left)));
          yield* converse(stage, pair);
          const seq = stage.recvInto(pair.side, pair.fd, stage.loop.bigOffset, size);
          yield* stage.rest(500);
          pair.peer.write(pattern(1));
          equalBytes((yield* stage.received(pair.side, seq)).bytes, pattern(1), 'what comes when it is asked for');
        }
      },
    },
    {
      name: `${name}: a receive that is cancelled after a conversation loses nothing`,
      *script(stage) {
        const pair = yield* stage.accepted(kind);
        for (const early of [0, 40, 60]) {
          yield* converse(stage, pair);
          const seq = stage.recv(pair.side, pair.fd);
          yield* stage.rest(500);
          if (early > 0) pair.peer.write(pattern(early));
          stage.loop.cancel(OP_RECV, pair.side, seq);
          const done = yield* stage.received(pair.side, seq);
          const read = done.result === -ECANCELED ? 0 : done.result;
          equalBytes(done.bytes, pattern(read), 'what the cancelled one has brought');
          yield* unasked(stage, pair, pattern(20, early), 2);
          yield* expectBytes(pattern(early + 20).subarray(read), () => receiveSmall(stage, pair));
        }
      },
    },
    {
      name: `${name}: an end that comes unasked after a conversation is found`,
      *script(stage) {
        for (const last of [0, 10]) {
          const pair = yield* stage.accepted(kind);
          yield* converse(stage, pair);
          if (last > 0) pair.peer.write(pattern(last));
          pair.peer.shutdown();
          yield* stage.rest(2000);
          yield* expectBytes(pattern(last), () => receiveSmall(stage, pair));
          equal((yield* stage.received(pair.side, stage.recv(pair.side, pair.fd))).result, 0, 'end of stream');
        }
      },
    },
    {
      name: `${name}: an end right behind a message is found, asked for or not`,
      *script(stage) {
        for (let i = 0; i < 10; i++) {
          const pair = yield* stage.accepted(kind);
          yield* converse(stage, pair, i >> 1);
          let seq = i % 2 === 0 ? stage.recv(pair.side, pair.fd) : -1;
          yield* stage.rest(500);
          pair.peer.write(pattern(100));
          pair.peer.shutdown();
          if (seq < 0) yield* stage.rest(500);
          if (seq < 0) seq = stage.recv(pair.side, pair.fd);
          equalBytes((yield* stage.received(pair.side, seq)).bytes, pattern(100), 'message');
          equal((yield* stage.received(pair.side, stage.recv(pair.side, pair.fd))).result, 0, 'end of stream');
        }
      },
    },
    {
      name: `${name}: closing after a conversation is seen by the peer at once, and its descriptor is free`,
      *script(stage) {
        for (let i = 0; i < 3; i++) {
          const pair = yield* stage.accepted(kind);
          yield* converse(stage, pair);
          const seq = stage.recv(pair.side, pair.fd);
          yield* stage.rest(500);
          stage.loop.cancel(OP_RECV, pair.side, seq);
          equal((yield* stage.next(OP_RECV, pair.side, seq)).result, -ECANCELED, 'cancelled');
          stage.close(pair.fd);
          yield* stage.until(() => pair.peer.read(10) === 'eof', 'the end');
        }
      },
    },
  ];
}

/** For the loops that have pipes. */
export const conversationIntoPipe: Case = {
  name: 'what comes unasked after a conversation goes into a pipe in order',
  *script(stage) {
    const [source, target] = [yield* stage.accepted(), yield* stage.connected()];
    const pipe = stage.loop.takePipe();
    check(pipe > 0, 'there is a pipe');
    for (const [length, pieces] of [
      [300, 3],
      [60_000, 7],
    ] as const) {
      yield* converse(stage, source);
      yield* unasked(stage, source, pattern(length, 5), pieces);
      yield* expectBytes(pattern(length, 5), () => receivePipe(stage, source, target, pipe));
    }
    stage.loop.givePipe(pipe);
  },
};

export const conversationCases: readonly Case[] = [
  ...kinds('IPv4', KIND_IPV4),
  ...kinds('unix', KIND_UNIX),
  {
    name: 'an abort that comes unasked after a conversation is found, by a watch as well',
    *script(stage) {
      for (const isWatched of [false, true]) {
        const pair = yield* stage.accepted();
        yield* converse(stage, pair);
        const seq = isWatched ? stage.watch(pair.side, pair.fd) : -1;
        yield* stage.rest(500);
        pair.peer.reset();
        yield* stage.rest(2000);
        const done = yield* stage.received(pair.side, stage.recv(pair.side, pair.fd));
        equal(done.result, -ECONNRESET, 'receive');
        if (isWatched) equal((yield* stage.next(OP_WATCH, pair.side, seq)).result, -ECONNRESET, 'watch');
      }
    },
  },
  {
    name: 'an abort right behind a message is found',
    *script(stage) {
      for (let i = 0; i < 5; i++) {
        const pair = yield* stage.accepted();
        yield* converse(stage, pair);
        const seq = stage.recv(pair.side, pair.fd);
        yield* stage.rest(500);
        pair.peer.write(pattern(100));
        pair.peer.reset();
        yield* expectAbort(stage, pair, seq);
      }
    },
  },
  {
    name: 'an abort right behind a message that nobody has asked for yet is found',
    *script(stage) {
      for (let messages = 0; messages < 5; messages++) {
        const pair = yield* stage.accepted();
        yield* converse(stage, pair, messages);
        pair.peer.write(pattern(100));
        pair.peer.reset();
        yield* stage.rest(1000);
        yield* expectAbort(stage, pair, stage.recv(pair.side, pair.fd));
      }
    },
  },
  {
    name: 'a descriptor number that comes again after a conversation brings nothing along',
    *script(stage) {
      for (let i = 0; i < 20; i++) {
        const pair = yield* stage.accepted();
        yield* converse(stage, pair);
        pair.peer.write(ascii('left over'));
        if (i % 2 === 0) yield* stage.rest(1000);
        stage.close(pair.fd);
      }
    },
  },
];
