/** Starts the open-loop generator as a process of its own and reads its report. */
import { fileURLToPath } from 'node:url';
import type { GeneratorReport, GeneratorTask } from './generator.ts';
import { runCommand } from './processes.ts';

const PROGRAM = fileURLToPath(new URL('./generator.js', import.meta.url));
/** Fewer collections of short-lived memory inside the generator, each of which delays requests. */
const NODE_OPTIONS = ['--max-semi-space-size=64'];
const GRACE_MS = 15_000;

/** Offers the task to one contender. Rejects where the generator fails or hangs. */
export async function offerOpenLoop(task: GeneratorTask, prefix: readonly string[]): Promise<GeneratorReport> {
  const { stdout } = await runCommand([...prefix, process.execPath, ...NODE_OPTIONS, PROGRAM, JSON.stringify(task)], {
    timeoutMs: (task.warmSeconds + task.seconds) * 1000 + GRACE_MS,
  });
  return JSON.parse(stdout) as GeneratorReport;
}
