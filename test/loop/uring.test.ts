import { loadFfi } from '../../src/ffi/load.ts';
import { openUring } from '../../src/linux/uring.ts';
import { runLoopSuite } from '../../src/loop/conformance.suite.ts';
import { needs } from '../support/skip.ts';
import { RealNet } from './real-net.ts';

/**
 * The suite on the loop as it is, as older kernels have it, and with rings, batches and a window so small that they
 * overflow.
 */
const settings = [
  ['conformance', {}],
  ['conformance, no receive stays armed', { isStanding: false }],
  ['conformance, all too small', { submissions: 4, completions: 8, batch: 3, window: 2 }],
] as const;

needs({ linux: true, uring: true }, 'uring', () => {
  const { ffi } = loadFfi();
  if (ffi === undefined) return;
  for (const [name, tuning] of settings) {
    runLoopSuite({ name, net: () => new RealNet(ffi), make: (options) => openUring(ffi, options, tuning) });
  }
});
