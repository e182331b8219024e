import type { ArenaOffset } from '../../base/brand.ts';
import { ECANCELED } from '../../base/errno.ts';
import { OP_RECV } from '../loop.ts';
import { type Case, check, equal, equalBytes, type Pair, pattern, type Script, type Stage } from './script.suite.ts';

const FEW = 4;
const CROWD = 16;

function* crowd(stage: Stage, count: number): Script<Pair[]> {
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) pairs.push(yield* stage.accepted());
  return pairs;
}

export const buffersCases: readonly Case[] = [
  {
    name: 'with few small buffers everybody is served in time, and waiting does not spin',
    smallCount: FEW,
    *script(stage) {
      const pairs = yield* crowd(stage, CROWD);
      const seqs = pairs.map(({ side, fd }) => stage.recv(side, fd));
      yield* stage.rest(1000);
      pairs.forEach(({ peer }, i) => peer.write(pattern(1000, i)));
      yield* stage.until(() => stage.arrived.length === FEW, 'as many receives as there are buffers');
      const before = stage.turn;
      yield* stage.rest(20_000);
      check(stage.turn - before <= 3, `${stage.turn - before} turns in 20 ms with all buffers held`);
      equal(stage.arrived.length, FEW, 'completions while all buffers are held');
      equal(stage.loop.buffersHeld(), FEW, 'buffers held');
      let served = 0;
      while (served < CROWD) {
        yield* stage.until(() => stage.arrived.length > 0, `receive ${served + 1} of ${CROWD}`);
        const done = stage.arrived.shift()!;
        const i = pairs.findIndex(({ side }) => side === done.slot);
        equal(done.seq, seqs[i]!, 'seq');
        equalBytes(done.bytes, pattern(1000, i), `bytes of ${i}`);
        stage.loop.release(done.buffer as ArenaOffset);
        served++;
      }
    },
  },
  {
    name: 'a receive that waits for a buffer can be cancelled, and loses no bytes',
    smallCount: 1,
    *script(stage) {
      const [first, second] = (yield* crowd(stage, 2)) as [Pair, Pair];
      first.peer.write(pattern(10));
      second.peer.write(pattern(20));
      const held = yield* stage.next(OP_RECV, first.side, stage.recv(first.side, first.fd));
      for (let i = 0; i < 3; i++) {
        const seq = stage.recv(second.side, second.fd);
        yield* stage.rest(2000);
        equal(stage.arrived.length, 0, 'completions without a buffer');
        stage.loop.cancel(OP_RECV, second.side, seq);
        equal((yield* stage.next(OP_RECV, second.side, seq)).result, -ECANCELED, 'receive');
      }
      const seq = stage.recv(second.side, second.fd);
      yield* stage.rest(1000);
      stage.loop.release(held.buffer as ArenaOffset);
      equalBytes((yield* stage.received(second.side, seq)).bytes, pattern(20), 'bytes');
    },
  },
  {
    name: 'own memory needs no small buffer',
    smallCount: 1,
    *script(stage) {
      const [first, second] = (yield* crowd(stage, 2)) as [Pair, Pair];
      first.peer.write(pattern(10));
      second.peer.write(pattern(20));
      const held = yield* stage.next(OP_RECV, first.side, stage.recv(first.side, first.fd));
      const seq = stage.recvInto(second.side, second.fd, stage.loop.bigOffset, 100);
      equalBytes((yield* stage.received(second.side, seq)).bytes, pattern(20), 'bytes');
      stage.loop.release(held.buffer as ArenaOffset);
    },
  },
  {
    name: 'buffers come back in any order, for ever, and each holds its own bytes',
    smallCount: FEW,
    *script(stage) {
      const pairs = yield* crowd(stage, FEW);
      for (let round = 0; round < 30; round++) {
        const seqs = pairs.map(({ side, fd }) => stage.recv(side, fd));
        pairs.forEach(({ peer }, i) => peer.write(pattern(500, round * FEW + i)));
        const held = [];
        for (const [i, { side }] of pairs.entries()) held.push(yield* stage.next(OP_RECV, side, seqs[i]!));
        held.forEach((done, i) => {
          const now = stage.loop.arena.subarray(done.buffer, done.buffer + done.result);
          equalBytes(now, pattern(500, round * FEW + i), `bytes of ${i} in round ${round}`);
        });
        if (round % 2 === 0) held.reverse();
        for (const done of held) stage.loop.release(done.buffer as ArenaOffset);
        equal(stage.loop.buffersHeld(), 0, 'buffers held');
      }
    },
  },
  {
    name: 'a receive that ends without bytes holds no buffer',
    smallCount: FEW,
    *script(stage) {
      for (let i = 0; i < FEW * 3; i++) {
        const { side, fd, peer } = yield* stage.accepted();
        const seq = stage.recv(side, fd);
        if (i % 2 === 0) peer.close();
        else peer.reset();
        check((yield* stage.next(OP_RECV, side, seq)).result <= 0, 'the receive ends');
        equal(stage.loop.buffersHeld(), 0, 'buffers held');
      }
    },
  },
  {
    name: 'trimmed memory can be used again',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      const { arena, bigOffset } = stage.loop;
      arena.fill(7, bigOffset, bigOffset + (1 << 20));
      stage.loop.trim(bigOffset, 1 << 20);
      peer.write(pattern(1000));
      const seq = stage.recvInto(side, fd, bigOffset, 1 << 20);
      equalBytes((yield* stage.received(side, seq)).bytes, pattern(1000), 'bytes');
      check(arena[bigOffset - 1] === 0 || stage.loop.smallSize > 0, 'memory before it is not touched');
    },
  },
];
