import { KIND_IPV4, KIND_UNIX } from '../../base/endpoint.ts';
import { ECANCELED, ECONNRESET, EPIPE } from '../../base/errno.ts';
import { OP_RECV, OP_SEND, OP_WATCH } from '../loop.ts';
import { ascii, type Case, check, equal, equalBytes } from './script.suite.ts';

const QUIET_US = 20_000;
/** Turns that may happen in QUIET_US without a deadline in it: the one at its end and a little noise. */
const QUIET_TURNS = 3;

export const watchCases: readonly Case[] = [
  {
    name: 'an abort completes the watch, and a later receive is told as well',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const seq = stage.watch(side, fd);
      yield* stage.rest(2000);
      equal(stage.arrived.length, 0, 'completions before the abort');
      peer.reset();
      equal((yield* stage.next(OP_WATCH, side, seq)).result, -ECONNRESET, 'watch');
      equal((yield* stage.received(side, stage.recv(side, fd))).result, -ECONNRESET, 'receive');
    },
  },
  {
    name: 'an abort that came before the watch completes it',
    *script(stage) {
      for (const isKnown of [false, true]) {
        const { side, fd, peer } = yield* stage.accepted();
        const armed = isKnown ? stage.recv(side, fd) : -1;
        peer.reset();
        yield* stage.rest(2000);
        if (armed >= 0) equal((yield* stage.received(side, armed)).result, -ECONNRESET, 'receive');
        const seq = stage.watch(side, fd);
        // The error may have been given out to the receive; what the watch must not do is sleep.
        check((yield* stage.next(OP_WATCH, side, seq)).result < 0, 'the watch completes with an error');
      }
    },
  },
  {
    name: 'bytes do not complete the watch, and stay for the receive',
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected();
      const seq = stage.watch(side, fd);
      peer.write(ascii('bytes'));
      const before = stage.turn;
      yield* stage.rest(QUIET_US);
      check(stage.turn - before <= QUIET_TURNS, `${stage.turn - before} turns with unread bytes`);
      equal(stage.arrived.length, 0, 'completions');
      equalBytes((yield* stage.received(side, stage.recv(side, fd))).bytes, ascii('bytes'), 'bytes');
      stage.loop.cancel(OP_WATCH, side, seq);
      equal((yield* stage.next(OP_WATCH, side, seq)).result, -ECANCELED, 'watch');
    },
  },
  ...[KIND_IPV4, KIND_UNIX].map((kind): Case => ({
    name: `${kind === KIND_UNIX ? 'unix' : 'IPv4'}: an orderly end does not complete the watch, of one direction or of both, nor does it spin`,
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted(kind);
      const seq = stage.watch(side, fd);
      peer.shutdown();
      let before = stage.turn;
      yield* stage.rest(QUIET_US);
      check(stage.turn - before <= QUIET_TURNS, `${stage.turn - before} turns after the peer's end`);
      equal((yield* stage.received(side, stage.recv(side, fd))).result, 0, 'end');
      equal(stage.loop.shutdown(fd), 0, 'shutdown');
      before = stage.turn;
      yield* stage.rest(QUIET_US);
      check(stage.turn - before <= QUIET_TURNS, `${stage.turn - before} turns after both ends`);
      equal(stage.arrived.length, 0, 'completions of the watch');
      stage.loop.cancel(OP_WATCH, side, seq);
      equal((yield* stage.next(OP_WATCH, side, seq)).result, -ECANCELED, 'watch');
    },
  })),
  {
    name: 'an abort after the orderly end of one direction completes the watch',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const seq = stage.watch(side, fd);
      peer.shutdown();
      yield* stage.rest(2000);
      peer.reset();
      const { result } = yield* stage.next(OP_WATCH, side, seq);
      check(result === -ECONNRESET || result === -EPIPE, `watch gave ${result}`);
    },
  },
  {
    name: 'an abort completes receive, send and watch together, each once',
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected(KIND_IPV4, { receiveBuffer: 8192 });
      const watched = stage.watch(side, fd);
      const received = stage.recv(side, fd);
      const sent = stage.send(side, fd, stage.loop.bigOffset, 6 << 20);
      yield* stage.rest(2000);
      equal(stage.arrived.length, 0, 'completions before the abort');
      peer.reset();
      check((yield* stage.next(OP_WATCH, side, watched)).result < 0, 'the watch fails');
      equal((yield* stage.next(OP_RECV, side, received)).result, -ECONNRESET, 'receive');
      check((yield* stage.next(OP_SEND, side, sent)).result < 0, 'the send fails');
    },
  },
];
