/** The one clock of the data plane. */
import type { Us } from '../base/brand.ts';

/**
 * `performance.now()` counts from the start of its own thread; the difference to the system's monotonic clock is
 * taken once per thread, so that all threads (and all processes) of a machine agree to a few microseconds.
 */
const originUs = sampleOrigin();

/**
 * Monotonic microseconds since the machine started, the same in every thread.
 * @cost 40 ns, no allocation.
 */
export function nowUs(): Us {
  return (originUs + performance.now() * 1000) as Us;
}

/** The same in milliseconds, as tables have it. */
export function nowMs(): number {
  return nowUs() / 1000;
}

/** The smallest of some differences: a pause between the two readings can only make one larger. */
function sampleOrigin(): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    smallest = Math.min(smallest, seconds * 1e6 + nanoseconds / 1000 - before * 1000);
  }
  return smallest;
}
