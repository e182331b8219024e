import { KIND_IPV4, KIND_UNIX } from '../../base/endpoint.ts';
import { CLOSE_ABORT, CLOSE_ORDERLY, OP_SEND } from '../loop.ts';
import type { Peer, PeerRead } from './net.ts';
import { ascii, type Case, check, equal, equalBytes, pattern, type Script, type Stage } from './script.suite.ts';

/** Reads until something other than bytes or silence comes. */
function* verdict(stage: Stage, peer: Peer): Script<{ read: number; end: PeerRead }> {
  let read = 0;
  let last: PeerRead = 'empty';
  yield* stage.until(() => {
    for (;;) {
      last = peer.read(65_536);
      if (typeof last === 'string') return last !== 'empty';
      equalBytes(last, pattern(last.length, read), `bytes from ${read}`);
      read += last.length;
    }
  }, 'the end of the stream');
  return { read, end: last };
}

function halfClose(name: string, kind: number): Case {
  return {
    name: `${name}: the end of one direction leaves the other alive`,
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted(kind);
      const seq = stage.recv(side, fd);
      stage.loop.arena.set(pattern(5000), stage.loop.bigOffset);
      equal((yield* stage.next(OP_SEND, side, stage.send(side, fd, stage.loop.bigOffset, 5000))).result, 5000, 'send');
      equal(stage.loop.shutdown(fd), 0, 'shutdown');
      const { read, end } = yield* verdict(stage, peer);
      equal(read, 5000, 'bytes before the end');
      equal(String(end), 'eof', 'what the peer sees');
      equal(stage.arrived.length, 0, 'completions of the receive that waits');
      peer.write(ascii('reply'));
      equalBytes((yield* stage.received(side, seq)).bytes, ascii('reply'), 'reply');
      peer.shutdown();
      equal((yield* stage.received(side, stage.recv(side, fd))).result, 0, 'end');
    },
  };
}

function orderly(name: string, kind: number): Case {
  return {
    name: `${name}: an orderly close delivers everything, then the end`,
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected(kind);
      stage.loop.arena.set(pattern(100_000), stage.loop.bigOffset);
      const done = yield* stage.next(OP_SEND, side, stage.send(side, fd, stage.loop.bigOffset, 100_000));
      equal(done.result, 100_000, 'send');
      stage.close(fd, CLOSE_ORDERLY);
      const { read, end } = yield* verdict(stage, peer);
      equal(read, 100_000, 'bytes before the end');
      equal(String(end), 'eof', 'what the peer sees');
    },
  };
}

export const endingCases: readonly Case[] = [
  halfClose('IPv4', KIND_IPV4),
  halfClose('unix', KIND_UNIX),
  orderly('IPv4', KIND_IPV4),
  orderly('unix', KIND_UNIX),
  {
    name: 'an aborting close is a reset for the peer, never an end',
    *script(stage) {
      for (const make of [() => stage.accepted(), () => stage.connected()]) {
        const { fd, peer } = yield* make();
        check(peer.read(10) === 'empty', 'the peer reads nothing yet');
        stage.close(fd, CLOSE_ABORT);
        equal(String((yield* verdict(stage, peer)).end), 'reset', 'what the peer sees');
      }
    },
  },
  {
    name: 'an aborting close behind bytes is a reset, wherever the bytes are',
    *script(stage) {
      for (const isRead of [true, false]) {
        const { side, fd, peer } = yield* stage.accepted();
        stage.loop.arena.set(pattern(3000), stage.loop.bigOffset);
        yield* stage.next(OP_SEND, side, stage.send(side, fd, stage.loop.bigOffset, 3000));
        stage.net.settle();
        if (isRead) equalBytes(peer.read(3000) as Uint8Array, pattern(3000), 'bytes');
        else peer.write(ascii('unread'));
        stage.close(fd, CLOSE_ABORT);
        const seen: PeerRead[] = [];
        yield* stage.until(() => {
          const read = peer.read(65_536);
          if (typeof read === 'string' && read !== 'empty') seen.push(read);
          return seen.length > 0;
        }, 'a verdict');
        equal(String(seen[0]), 'reset', 'what the peer sees');
      }
    },
  },
  {
    name: 'an aborting close drops a send that was stuck',
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected(KIND_IPV4, { receiveBuffer: 8192 });
      const length = 6 << 20;
      stage.loop.arena.set(pattern(length), stage.loop.bigOffset);
      const seq = stage.send(side, fd, stage.loop.bigOffset, length);
      yield* stage.rest(2000);
      stage.loop.cancel(OP_SEND, side, seq);
      yield* stage.next(OP_SEND, side, seq);
      stage.close(fd, CLOSE_ABORT);
      const { read, end } = yield* verdict(stage, peer);
      check(read < length, 'the stuck bytes are not delivered');
      equal(String(end), 'reset', 'what the peer sees');
    },
  },
];
