/** The program with workers that can be told to fail: takes the arguments of `pen`, and does what `src/bin/pen.ts` does. */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
import { runProgram } from '../../dist/cli/program.js';

const PLANTED = new URL('./planted-worker.mjs', import.meta.url);

await runProgram(process.argv.slice(2), {
  script: import.meta.filename,
  workerScript: PLANTED,
  // Nobody is replaced here: each of these failures ends the process.
  wholeWorkerScript: PLANTED,
  onSignal: (take) => {
    for (const signal of ['SIGUSR1', 'SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => take(signal));
  },
});
