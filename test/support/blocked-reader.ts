/** Starts `blocked-reader.mjs` and listens to it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { reactor } from './reactor.ts';

const PROGRAM = fileURLToPath(new URL('./blocked-reader.mjs', import.meta.url));
const LIMIT_MS = 8000;

export interface BlockedReader {
  /** Waits for a line that begins so. */
  line(beginning: string): Promise<string>;
  /** What it met: `N bytes, end` or `N bytes, ERROR`. */
  result(): Promise<string>;
}

/** Returns when it listens; a connecting one is started only. */
export async function startBlockedReader(args: readonly string[]): Promise<BlockedReader> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let isOver = false;
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  child.on('close', () => (isOver = true));
  const find = (beginning: RegExp): string | undefined => text.split('\n').find((line) => beginning.test(line));
  const waitFor = async (wanted: RegExp): Promise<string> => {
    try {
      await reactor().until(
        () => isOver || find(wanted) !== undefined,
        `the program says ${wanted}: ${text}`,
        LIMIT_MS,
      );
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    const line = find(wanted);
    if (line === undefined) throw new Error(`the program ended before it said ${wanted}: ${text}`);
    return line;
  };
  if (args[0] === 'accept') await waitFor(/^listening/);
  return {
    line: async (beginning) => waitFor(new RegExp(`^${beginning}`)),
    result: async () => {
      const line = await waitFor(/^\d+ bytes/);
      await reactor().until(() => isOver, 'the program ends', LIMIT_MS);
      return line;
    },
  };
}
