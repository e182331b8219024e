import type { Us } from '../../base/brand.ts';
import { KIND_IPV4 } from '../../base/endpoint.ts';
import { NEVER, OP_RECV, OP_WAKE } from '../loop.ts';
import { ascii, type Case, check, equal, equalBytes } from './script.suite.ts';

/** How much later than its deadline a turn may come on a busy machine. */
const LATE_US = 200_000;

export const timeCases: readonly Case[] = [
  {
    name: 'a deadline is met, not before and once, with idle operations of all kinds in flight',
    *script(stage) {
      const { side, fd } = yield* stage.accepted();
      const ended = yield* stage.accepted();
      const listener = stage.net.listen(KIND_IPV4);
      stage.accept(stage.nextListener(), listener.fd, 1);
      stage.recv(side, fd);
      stage.watch(side, fd);
      ended.peer.shutdown();
      equal((yield* stage.received(ended.side, stage.recv(ended.side, ended.fd))).result, 0, 'end');
      stage.watch(ended.side, ended.fd);
      yield (stage.now + 2000) as Us;
      for (const us of [300, 3000, 50_000]) {
        const [turn, due] = [stage.turn, stage.now + us];
        yield due as Us;
        check(stage.now >= due, `the turn comes ${due - stage.now} us before its deadline`);
        check(stage.now < due + LATE_US, `the turn comes ${stage.now - due} us after its deadline`);
        equal(stage.turn, turn + 1, 'turns');
        equal(stage.arrived.length, 0, 'completions');
      }
    },
  },
  {
    name: 'a deadline in the past polls without sleeping',
    *script(stage) {
      const start = stage.now;
      for (let i = 0; i < 100; i++) yield (stage.now - 1000) as Us;
      check(stage.now - start < LATE_US, `100 polls took ${stage.now - start} us`);
    },
  },
  {
    name: 'an event ends a wait without a deadline',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const seq = stage.recv(side, fd);
      yield (stage.now + 1000) as Us;
      peer.write(ascii('now'));
      stage.net.settle();
      const start = stage.now;
      while (stage.arrived.length === 0) yield NEVER;
      check(stage.now - start < LATE_US, `the event came after ${stage.now - start} us`);
      equalBytes((yield* stage.received(side, seq)).bytes, ascii('now'), 'bytes');
    },
  },
  {
    name: 'events are seen while the engine never sleeps',
    *script(stage) {
      const busy = yield* stage.accepted();
      const { side, fd, peer } = yield* stage.accepted();
      const seq = stage.recv(side, fd);
      const first = stage.turn;
      // Each send completes at once, so every turn has something to deliver without asking the kernel.
      let sent = stage.send(busy.side, busy.fd, stage.loop.bigOffset, 1);
      let isWritten = false;
      while (!stage.arrived.some((done) => done.op === OP_RECV && done.seq === seq)) {
        const at = stage.arrived.findIndex((done) => done.slot === busy.side && done.seq === sent);
        if (at >= 0) {
          stage.arrived.splice(at, 1);
          sent = stage.send(busy.side, busy.fd, stage.loop.bigOffset, 1);
        }
        if (!isWritten) peer.write(ascii('x'));
        isWritten = true;
        check(stage.turn - first < 1000, 'bytes wait while other work completes at once');
        yield (stage.now - 1) as Us;
      }
      equalBytes((yield* stage.received(side, seq)).bytes, ascii('x'), 'bytes');
    },
  },
  {
    name: 'a wake-up is a completion of its own, again and again',
    *script(stage) {
      for (let i = 0; i < 5; i++) {
        stage.wake.wake();
        if (i % 2 === 1) stage.wake.wake();
        while (stage.arrived.length === 0) yield NEVER;
        check(
          stage.arrived.every((done) => done.op === OP_WAKE),
          'only wake-ups come',
        );
        stage.arrived.length = 0;
        yield (stage.now + 3000) as Us;
        // Two calls may be one wake-up or two, but none is left over.
        stage.arrived.length = 0;
      }
      const turn = stage.turn;
      yield (stage.now + 20_000) as Us;
      equal(stage.turn, turn + 1, 'turns after the last wake-up');
    },
  },
];
