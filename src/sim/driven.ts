/** The engine as the simulator drives it. */
import { createEngine } from '../engine/engine.ts';
import { WORKER } from './configuration.ts';
import { reclaim } from '../control/reclaim.ts';
import type { DrivenFactory } from './post.ts';
import { violate } from './violation.ts';

/** The parts of the engine's module, and of main's, that a run needs: also satisfied by mutated copies of them. */
export interface EngineModule {
  readonly createEngine: typeof createEngine;
  readonly reclaim?: typeof reclaim;
}

/** Makes runs drive the engine of `module`. */
export function engineFactory(module: EngineModule): DrivenFactory {
  return (loop, tables, settings, nowMs, post) => {
    const engine = module.createEngine({
      loop,
      tables,
      worker: WORKER,
      slotFirst: 0,
      slotCount: settings.slotCount,
      nowMs,
      ...post,
    });
    const checkEnd = (): void => {
      const { state } = engine;
      if (state.freeSlotCount !== settings.slotCount)
        violate('leak', `${settings.slotCount - state.freeSlotCount} slots at the end`);
      if (state.big.lent !== 0) violate('leak', `${state.big.lent} big buffers at the end`);
      if (state.pipesLent !== 0) violate('leak', `${state.pipesLent} pipes at the end`);
      // Two timers are not a connection's: the end of an accept pause, and the trim of idle buffers.
      if (state.wheel.count > 2) violate('leak', `${state.wheel.count} timers at the end`);
    };
    return { turn: engine.turn, checkEnd, abandon: engine.abandon, reclaim: module.reclaim ?? reclaim };
  };
}

export const realEngine: DrivenFactory = engineFactory({ createEngine });
