/** The program itself, with workers that fail when they are told to: starts `planted-pen.mjs`. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Pen, type PenOptions } from '../support/pen.ts';

const PROGRAM = fileURLToPath(new URL('./planted-pen.mjs', import.meta.url));

/** As `order.mjs` calls them. */
export type Way = 'THROW' | 'HANG' | 'THROW_LOCKED' | 'HANG_LOCKED' | 'HOARD';

export interface PlantedPen {
  readonly pen: Pen;
  /** The worker that has the next turn fails in this way. */
  readonly order: (how: Way) => void;
  /** Whether a worker has taken the order. */
  readonly isTaken: () => boolean;
}

/** Ends with the test. */
export async function startPlantedPen(options: PenOptions): Promise<PlantedPen> {
  const folder = mkdtempSync(join(tmpdir(), 'planted-'));
  const file = join(folder, 'order');
  const plant = JSON.stringify({ everyMs: 0, seed: 1, file });
  const pen = await Pen.start({ ...options, script: PROGRAM, prefix: ['env', `PLANT=${plant}`] });
  onTestFinished(() => {
    pen.child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  const order = (how: Way): void => {
    // Whole at once, so that nobody reads half of it.
    writeFileSync(`${file}.new`, how);
    renameSync(`${file}.new`, file);
  };
  return { pen, order, isTaken: () => !existsSync(file) };
}
