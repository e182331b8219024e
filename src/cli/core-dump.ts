/** `abort_on_error`: a process that fails leaves itself as it stood, for whoever wants to look into it. */
import type { Configuration } from '../config/model.ts';

/**
 * Makes the process end by SIGABRT, which leaves a core where the system keeps one, whenever it would end with an error.
 * What it had to say is said, and what it had opened is closed by then.
 *
 * @param inForce the configuration that holds when the process ends.
 */
export function abortOnError(inForce: () => Configuration): void {
  process.once('exit', (code) => {
    if (code !== 0) abortIfWanted(inForce());
  });
}

/** At once, without returning, if that was asked for. */
export function abortIfWanted({ settings }: Configuration): void {
  if (settings.abortOnError) process.abort();
}
