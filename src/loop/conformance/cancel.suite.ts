import type { SideSlot } from '../../base/brand.ts';
import { KIND_IPV4 } from '../../base/endpoint.ts';
import { ECANCELED } from '../../base/errno.ts';
import { OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../loop.ts';
import { ascii, type Case, check, equal, equalBytes, pattern } from './script.suite.ts';

export const cancelCases: readonly Case[] = [
  {
    name: 'every operation that waits can be cancelled, and started anew with another seq',
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected(KIND_IPV4, { receiveBuffer: 8192 });
      const other = yield* stage.accepted();
      const into = stage.loop.bigOffset + (8 << 20);
      for (let i = 0; i < 3; i++) {
        const send = stage.send(side, fd, stage.loop.bigOffset, 6 << 20);
        const recv = stage.recv(side, fd);
        const watch = stage.watch(side, fd);
        const recvInto = stage.recvInto(other.side, other.fd, into, 1000);
        if (i > 0) yield* stage.rest(1000);
        for (const [op, slot, seq] of [
          [OP_SEND, side, send],
          [OP_RECV, side, recv],
          [OP_WATCH, side, watch],
          [OP_RECV, other.side, recvInto],
        ] as const) {
          stage.loop.cancel(op, slot, seq);
          equal((yield* stage.next(op, slot, seq)).result, -ECANCELED, `operation ${op} in round ${i}`);
        }
        equal(stage.inFlight(), 0, 'operations in flight');
      }
      peer.write(ascii('new'));
      equalBytes((yield* stage.received(side, stage.recv(side, fd))).bytes, ascii('new'), 'bytes of the next receive');
    },
  },
  {
    name: 'cancelling what has finished, or another seq, or nothing, changes nothing',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      peer.write(ascii('here'));
      yield* stage.rest(1000);
      const sent = stage.send(side, fd, stage.loop.bigOffset, 4);
      const done = yield* stage.next(OP_SEND, side, sent);
      equal(done.result, 4, 'send');
      stage.loop.cancel(OP_SEND, side, sent);
      const seq = stage.recv(side, fd);
      stage.loop.cancel(OP_RECV, side, (seq + 1) & 0xff_ff_ff);
      stage.loop.cancel(OP_WATCH, side, seq);
      stage.loop.cancel(OP_CONNECT, side, seq);
      stage.loop.cancel(OP_ACCEPT, 0, seq);
      stage.loop.cancel(OP_RECV, side + 100, seq);
      equalBytes((yield* stage.received(side, seq)).bytes, ascii('here'), 'bytes');
      const waiting = stage.recv(side, fd);
      yield* stage.rest(2000);
      equal(stage.arrived.length, 0, 'completions');
      peer.write(ascii('more'));
      equalBytes((yield* stage.received(side, waiting)).bytes, ascii('more'), 'bytes');
    },
  },
  {
    name: 'cancelling in the turn of the submission gives one completion, whichever is faster',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      let read = 0;
      let written = 0;
      for (let i = 0; i < 40; i++) {
        if (i % 2 === 0) written += Math.max(0, peer.write(pattern(10, written)));
        if (i % 4 < 2) stage.net.settle();
        if (i % 3 === 0) yield undefined;
        const seq = stage.recv(side, fd);
        if (i % 5 === 0) yield undefined;
        stage.loop.cancel(OP_RECV, side, seq);
        const done = yield* stage.received(side, seq);
        check(done.result > 0 || done.result === -ECANCELED, `receive gave ${done.result}`);
        if (done.result > 0) {
          equalBytes(done.bytes, pattern(done.result, read), `bytes from ${read}`);
          read += done.result;
        }
        const sent = stage.send(side, fd, stage.loop.bigOffset, 1);
        stage.loop.cancel(OP_SEND, side, sent);
        const { result } = yield* stage.next(OP_SEND, side, sent);
        check(result === 1 || result === -ECANCELED, `send gave ${result}`);
      }
      while (read < written) {
        const done = yield* stage.received(side, stage.recv(side, fd));
        equalBytes(done.bytes, pattern(done.result, read), `bytes from ${read}`);
        read += done.result;
      }
    },
  },
  {
    name: 'a thousand cancels in one turn give a thousand completions',
    *script(stage) {
      const pairs = [];
      for (let i = 0; i < 50; i++) pairs.push(yield* stage.accepted());
      for (let round = 0; round < 20; round++) {
        const seqs = pairs.map(({ side, fd }) => stage.recv(side, fd));
        if (round % 2 === 0) yield undefined;
        pairs.forEach(({ side }, i) => stage.loop.cancel(OP_RECV, side, seqs[i]!));
        for (const [i, { side }] of pairs.entries()) {
          equal((yield* stage.next(OP_RECV, side, seqs[i]!)).result, -ECANCELED, `receive ${i} of round ${round}`);
        }
      }
    },
  },
  {
    name: 'a connect cancelled in the turn of its submission completes once',
    *script(stage) {
      const server = stage.net.serve(KIND_IPV4);
      for (let i = 0; i < 10; i++) {
        const side = stage.nextSide() as SideSlot;
        const fd = stage.open();
        const seq = stage.connect(side, fd, server.endpoint);
        if (i % 2 === 1) yield undefined;
        stage.loop.cancel(OP_CONNECT, side, seq);
        const { result } = yield* stage.next(OP_CONNECT, side, seq);
        check(result === 0 || result === -ECANCELED, `connect gave ${result}`);
        stage.close(fd);
      }
    },
  },
];
