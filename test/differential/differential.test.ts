/** The same scripts against Debian's pen and ours. What differs is listed in `differences.ts`, or a fault. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { isLong, runSeed } from '../support/rig.ts';
import { needs } from '../support/skip.ts';
import { drawScript } from './chance.ts';
import { DIFFERENCES } from './differences.ts';
import { crossed, ORIGINAL, OURS, type Program } from './program.ts';
import { runScript } from './run.ts';
import { isJudged, type JudgedStep, type Script } from './script.ts';
import { CHOICE } from './scripts/choice.ts';
import { COMMANDS } from './scripts/commands.ts';
import { FAILOVER } from './scripts/failover.ts';
import { LATER } from './scripts/later.ts';
import { PENCTL } from './scripts/penctl.ts';
import { STATE } from './scripts/state.ts';
import { START } from './scripts/start.ts';
import { withTable } from './table.ts';

const PAGE = fileURLToPath(new URL('../../docs/differences.md', import.meta.url));
const SCRIPTS = [...CHOICE, ...FAILOVER, ...COMMANDS, ...STATE, ...START, ...PENCTL, ...LATER];
const STEPS: readonly JudgedStep[] = SCRIPTS.flatMap((script) => script.steps.filter(isJudged));

describe('the list of differences', () => {
  test('each of them shows in a script, and changes what is seen there', () => {
    const shown = new Set<string>(STEPS.flatMap(({ unlike }) => unlike?.id ?? []));
    expect(Object.keys(DIFFERENCES).filter((id) => !shown.has(id))).toEqual([]);
    expect(STEPS.filter(({ gives, unlike }) => unlike?.ours === gives)).toEqual([]);
  });

  test('the page for people has the same list', () => {
    const page = readFileSync(PAGE, 'utf8');
    const fresh = withTable(page);
    if (process.env['PEN_WRITE'] !== undefined) writeFileSync(PAGE, fresh);
    else expect(page, 'docs/differences.md is stale; PEN_WRITE=1 writes it').toBe(fresh);
  });

  test('no two scripts have the same name, and there are as many as promised', () => {
    const ids = SCRIPTS.map((script) => script.id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(SCRIPTS.length - COMMANDS.length - STATE.length).toBeGreaterThanOrEqual(40);
    expect(STEPS.filter((step) => step.do === 'say').length).toBeGreaterThanOrEqual(60);
  });
});

/** What is seen must be what the script says of this program, step by step. */
function declare(program: Program, scripts: readonly Script[]): void {
  test.concurrent.each(scripts.map((script) => [`${script.id}: ${script.says}`, script] as const))(
    '%s',
    async (_name, script) => {
      const { got, wanted } = await runScript(script, program);
      expect(got).toEqual(wanted);
    },
  );
}

/** SEED=n repeats the drawn scripts from number n on. */
const SEED = runSeed();
const DRAWN = isLong ? 400 : 16;

/**
 * What both programs must agree about. Each client that it refuses lets the original lose count of its server's
 * connections: from then on these counts differ on purpose, and with weights the choice that rests on them.
 */
function comparable(lines: readonly string[]): string[] {
  const refused = lines.findIndex((line) => / R\b/.test(line));
  if (refused < 0) return [...lines];
  const isWeighted = lines.some((line) => /"weight/.test(line));
  return lines.slice(0, isWeighted ? refused + 1 : lines.length).map((line) => line.replaceAll(/conn \d+/g, 'conn #'));
}

/** Both programs do the same, whatever it is. */
function declareDrawn(): void {
  test.concurrent.each(Array.from({ length: DRAWN }, (_, number) => [SEED + number] as const))(
    'seed %d',
    async (seed) => {
      const script = drawScript(new Prng(seed), `seed ${seed}`);
      const [original, ours] = await Promise.all([runScript(script, ORIGINAL), runScript(script, OURS)]);
      expect(comparable(ours.got), script.says).toEqual(comparable(original.got));
    },
  );
}

needs({ linux: true, packages: ['pen'] }, "scripts on Debian's pen", () => declare(ORIGINAL, SCRIPTS));
needs({ linux: true }, 'scripts on Pen', () => declare(OURS, SCRIPTS));
needs({ linux: true, packages: ['pen'] }, 'scripts that nobody has thought of', declareDrawn);
needs({ linux: true, packages: ['pen'] }, "our penctl with Debian's pen", () =>
  declare(crossed(ORIGINAL, OURS), PENCTL),
);
needs({ linux: true, packages: ['pen'] }, "Debian's penctl with our pen", () =>
  declare(crossed(OURS, ORIGINAL), PENCTL),
);
