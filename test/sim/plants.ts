/**
 * Plants a bug into a copy of the compiled engine (or choice, or main's part) and lets the simulator look for it.
 *
 * Each plant is a replacement in the text of one module; it fails loudly when the text is no longer there.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Reclaim from '../../src/control/reclaim.ts';
import type * as Driven from '../../src/sim/driven.ts';
import type * as Run from '../../src/sim/run.ts';

const dist = join(import.meta.dirname, '../../dist');

export interface Plant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Without what points to source maps, which are not copied and would be missed aloud, once per module. */
function copyModules(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (!name.endsWith('.js')) continue;
    writeFileSync(join(to, name), readFileSync(join(from, name), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/mu, ''));
  }
}

/** Copies of the compiled program, one for each plant. */
export class Garden {
  private readonly folder = mkdtempSync(join(dist, '.planted-'));
  private count = 0;

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What the simulator says first about a program with this change; undefined when it finds nothing in so many seeds. */
  async firstFinding(
    bug: Plant,
    seeds: number,
    options: Omit<Run.SeedOptions, 'isTraced'>,
  ): Promise<string | undefined> {
    const { runSeed, newReport } = (await import(pathToFileURL(join(dist, 'sim/run.js')).href)) as typeof Run;
    const { engineFactory } = (await import(pathToFileURL(join(dist, 'sim/driven.js')).href)) as typeof Driven;
    const root = this.plant(bug);
    const load = async (path: string): Promise<unknown> => import(pathToFileURL(join(root, path)).href);
    const { createEngine } = (await load('engine/engine.js')) as Driven.EngineModule;
    const { reclaim } = (await load('control/reclaim.js')) as typeof Reclaim;
    const make = engineFactory({ createEngine, reclaim });
    for (let seed = 1; seed <= seeds; seed++) {
      const failure = runSeed(seed, { ...options, isTraced: false }, make, newReport());
      if (failure !== undefined) return `seed ${seed}: ${failure.error.message}`;
    }
    return undefined;
  }

  /** Copies the rooms that can be changed, with one change; all others are the compiled ones. */
  private plant({ file, from, to }: Plant): string {
    const root = join(this.folder, String(this.count++));
    for (const room of ['engine', 'balance', 'control']) copyModules(join(dist, room), join(root, room));
    for (const room of ['base', 'table', 'stream', 'loop', 'sim', 'config']) {
      symlinkSync(join(dist, room), join(root, room), 'dir');
    }
    const path = join(root, file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2)
      throw new Error(`the text to change is not there, or more than once: ${file}: ${from}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
    return root;
  }
}
