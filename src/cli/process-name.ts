/** The name of the process, for those who look for it by name. */
import { writeFileSync } from 'node:fs';

/**
 * Gives the process the name that the original has, instead of the interpreter's: `pgrep`, `killall`, `ps -C`, `top` and
 * init scripts look for it. The arguments stay as they are for `ps`; a new `process.title` would replace them.
 *
 * @param name at most 15 bytes; more are cut.
 * @owner main thread.
 * @source proc(5): /proc/pid/comm
 */
export function nameProcess(name: string): void {
  try {
    writeFileSync('/proc/self/comm', name);
  } catch {
    // Only Linux has it; nothing depends on it.
  }
}
