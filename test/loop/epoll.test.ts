import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import type { ArenaOffset, SideSlot, Us } from '../../src/base/brand.ts';
import { KIND_IPV4 } from '../../src/base/endpoint.ts';
import { loadFfi } from '../../src/ffi/load.ts';
import { Sides } from '../../src/linux/epoll-sides.ts';
import { EpollLoop } from '../../src/linux/epoll.ts';
import { runLoopSuite } from '../../src/loop/conformance.suite.ts';
import { check, play, Stage } from '../../src/loop/conformance/script.suite.ts';
import { OP_ACCEPT, OP_RECV, OP_SEND } from '../../src/loop/loop.ts';
import { runKernelSuite } from './kernel-suite.ts';
import { RealNet } from './real-net.ts';

const { ffi, reason } = loadFfi();

describe.runIf(ffi)(`epoll${reason === undefined ? '' : ` (${reason})`}`, () => {
  if (ffi === undefined) return;

  runLoopSuite({
    name: 'conformance',
    net: () => new RealNet(ffi),
    make: (options) => new EpollLoop(ffi, options),
  });

  runKernelSuite({ ffi, make: (options) => new EpollLoop(ffi, options) });

  async function run(script: (stage: Stage, loop: EpollLoop) => ReturnType<Stage['rest']>): Promise<void> {
    const net = new RealNet(ffi!);
    const wake = net.createWake();
    const loop = new EpollLoop(ffi!, {
      wakeFd: wake.fd,
      sidesMax: 64,
      listenersMax: 16,
      smallCount: 8,
      bigLength: 1 << 20,
    });
    const stage = new Stage(loop, net, wake);
    try {
      await play(stage, script(stage, loop));
    } finally {
      loop.destroy();
      net.closeAll();
    }
  }

  test('a request costs one receive, one send and one wait', async () => {
    await run(function* (stage, loop) {
      const { side, fd, peer } = yield* stage.accepted();
      const request = new Uint8Array(64);
      const rounds = 50;
      let before = { ...loop.counters, transfer: { ...loop.counters.transfer } };
      for (let i = -1; i < rounds; i++) {
        // The first round pays for the registration.
        if (i === 0) before = { ...loop.counters, transfer: { ...loop.counters.transfer } };
        const seq = stage.recv(side, fd);
        peer.write(request);
        const done = yield* stage.next(OP_RECV, side, seq);
        yield* stage.next(OP_SEND, side, stage.send(side, fd, done.buffer, done.result));
        loop.release(done.buffer as ArenaOffset);
        peer.read(100);
      }
      const { waits, transfer } = loop.counters;
      expect(transfer.recvs - before.transfer.recvs).toBe(rounds);
      expect(transfer.sends - before.transfer.sends).toBe(rounds);
      expect(transfer.recvsEmpty - before.transfer.recvsEmpty).toBe(0);
      // The script itself asks once more per round, by looking again for its peer.
      expect(waits - before.waits).toBeLessThanOrEqual(rounds * 2);
    });
  });

  test('idle costs nothing: no wait ends before its time', async () => {
    await run(function* (stage, loop) {
      const { side, fd } = yield* stage.accepted();
      stage.recv(side, fd);
      stage.watch(side, fd);
      yield (stage.now + 1000) as Us;
      const waits = loop.counters.waits;
      yield (stage.now + 100_000) as Us;
      check(loop.counters.waits - waits <= 2, `${loop.counters.waits - waits} waits in 100 ms of idleness`);
    });
  });

  test('clients that wait while nothing is asked for do not keep the loop awake', async () => {
    await run(function* (stage, loop) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      for (let i = 0; i < 3; i++) stage.net.connect(listener.endpoint);
      yield* stage.acceptOne(slot, listener);
      const cancelled = stage.accept(slot, listener.fd, 1);
      loop.cancel(OP_ACCEPT, slot, cancelled);
      yield* stage.next(OP_ACCEPT, slot, cancelled);
      const waits = loop.counters.waits;
      yield (stage.now + 50_000) as Us;
      check(loop.counters.waits - waits <= 2, `${loop.counters.waits - waits} waits in 50 ms with clients waiting`);
    });
  });

  test('a broken promise of the engine ends the turn', async () => {
    await run(function* (stage, loop) {
      const { side, fd } = yield* stage.accepted();
      const seq = stage.recv(side, fd);
      expect(() => loop.recv(side, seq + 1, fd)).toThrow(AssertionError);
      expect(() => loop.release(4096 as ArenaOffset)).toThrow(AssertionError);
      expect(() => loop.recvInto((side + 1) as SideSlot, 1, fd, loop.bigOffset, 0)).toThrow(AssertionError);
      yield undefined;
    });
  });
});

test('an event of an earlier registration finds no side', () => {
  const sides = new Sides(8);
  const first = sides.bind(3, 5000);
  expect(sides.find(5000, first)).toBe(3);
  sides.unbind(5000);
  expect(sides.find(5000, first)).toBe(-1);
  const second = sides.bind(4, 5000);
  expect(sides.find(5000, first)).toBe(-1);
  expect(sides.find(5000, second)).toBe(4);
  // The side moved on to another descriptor before the old one was closed.
  sides.bind(4, 7);
  sides.unbind(5000);
  expect(sides.fd[4]).toBe(7);
  expect(sides.find(70_000, 1)).toBe(-1);
});

test('sides that starve are served in order, and once', () => {
  const sides = new Sides(8);
  for (const side of [5, 2, 5, 7]) sides.starve(side);
  expect([sides.unstarve(), sides.unstarve()]).toEqual([5, 2]);
  sides.starve(5);
  expect([sides.unstarve(), sides.unstarve(), sides.unstarve()]).toEqual([7, 5, -1]);
  expect(sides.hasStarved()).toBe(false);
});
