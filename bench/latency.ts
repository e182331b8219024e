/** Starts the open-loop generator as a process of its own and reads its report. */
import { fileURLToPath } from 'node:url';
import type { GeneratorReport, GeneratorTask } from './generator.ts';
import { runCommand } from './processes.ts';

const PROGRAM = fileURLToPath(new URL('./generator.js', import.meta.url));
/**
 * A new space that does not start small: a dozen collections a second instead of a hundred. And no
 * helper threads, which would take turns with the polling one on its only CPU.
 */
const NODE_OPTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64', '--single-threaded'];
const GRACE_MS = 15_000;

/** Offers the task to one contender. Rejects where the generator fails or hangs. */
export async function offerOpenLoop(task: GeneratorTask, prefix: readonly string[]): Promise<GeneratorReport> {
  const { stdout } = await runCommand([...prefix, process.execPath, ...NODE_OPTIONS, PROGRAM, JSON.stringify(task)], {
    timeoutMs: (task.warmSeconds + task.seconds) * 1000 + GRACE_MS,
  });
  return JSON.parse(stdout) as GeneratorReport;
}
