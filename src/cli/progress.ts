/** How far a program has come that works for long, for a person who watches it at a terminal. */
import { fstatSync } from 'node:fs';

const PAUSE_MS = 500;
/** Back to the start of the line, and remove what stands there. */
const CLEAR = '\r\x1b[K';

/** Something that is read from start to end. */
interface Read {
  readonly fd: number;
  readonly bytes: number;
}

type Terminal = Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;

interface Progress {
  /** So many lines more. */
  tick(lines: number): void;
  /** Removes what is shown. */
  end(): void;
}

/** Says nothing unless standard error is a terminal, nor where the output is shown at one. */
export function showProgress(
  name: string,
  files: readonly Read[],
  terminal: Terminal = process.stderr,
  output: Pick<Terminal, 'isTTY'> = process.stdout,
): Progress {
  if (!terminal.isTTY || output.isTTY) return { tick: () => undefined, end: () => undefined };
  const size = files.reduce((sum, { fd }) => sum + fstatSync(fd).size, 0);
  const start = performance.now();
  let [next, lines, isShown] = [start + PAUSE_MS, 0, false];
  return {
    tick(more) {
      lines += more;
      const now = performance.now();
      if (now < next) return;
      next = now + PAUSE_MS;
      isShown = true;
      const done = files.reduce((sum, { bytes }) => sum + bytes, 0);
      const part = size > 0 ? `, ${Math.min(100, Math.floor((100 * done) / size))}%` : '';
      const rate = Math.round((1000 * lines) / (now - start));
      terminal.write(`${CLEAR}${name}: ${lines} lines${part}, ${rate} lines/s`);
    },
    end() {
      if (isShown) terminal.write(CLEAR);
    },
  };
}
