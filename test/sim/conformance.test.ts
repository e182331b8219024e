/** The suite that judges the real loops judges the simulated one, so that what the engine meets there is no fiction. */
import { describe } from 'vitest';
import { runLoopSuite } from '../../src/loop/conformance.suite.ts';
import { SimNetDriver, type SimNetOptions } from './sim-net-driver.ts';

/**
 * What the contract leaves open, often. Not what takes time, because the suite's patience is a kernel's, and no
 * receives of a part, because it expects its small messages whole, as a kernel gives them.
 */
const WILD: SimNetOptions['faults'] = {
  'loop.partial-send': 300,
  'loop.batch-split': 300,
  'loop.batch-shuffled': 500,
  'loop.no-buffer': 100,
  'loop.early-write': 500,
  'loop.accept-short': 300,
};

function judge(name: string, options: SimNetOptions): void {
  runLoopSuite({
    name,
    net: () => new SimNetDriver(options),
    make: (loopOptions, net) => (net as SimNetDriver).makeLoop(loopOptions),
  });
}

describe('the simulated loop', () => {
  judge('conformance', { seed: 1 });
  judge('conformance, when it does all that a loop may do', { seed: 2, faults: WILD });
});
