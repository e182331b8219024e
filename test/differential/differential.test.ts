/** The same scripts against Debian's pen and ours. What differs is listed in `differences.ts`, or a fault. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { isLong, runSeed } from '../support/rig.ts';
import { needs } from '../support/skip.ts';
import { drawScript } from './chance.ts';
import { DIFFERENCES } from './differences.ts';
import { crossed, ORIGINAL, OURS, type Program } from './program.ts';
import { Conversation, runScript } from './run.ts';
import type { Script } from './script.ts';
import { ALONE, CONTROL, SCRIPTS, SHARING, STEPS } from './scripts/all.ts';
import { PENCTL } from './scripts/penctl.ts';
import { withTable } from './table.ts';

const PAGE = fileURLToPath(new URL('../../docs/differences.md', import.meta.url));

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
    expect(SCRIPTS.length - CONTROL.length).toBeGreaterThanOrEqual(40);
    expect(STEPS.filter((step) => step.do === 'say').length).toBeGreaterThanOrEqual(400);
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

/** The same for scripts that only talk: one program for all of them. */
function declareTalk(program: Program): void {
  describe('talk', () => {
    let conversation: Conversation | undefined;
    beforeAll(async () => {
      conversation = await Conversation.begin(program);
    });
    afterAll(async () => conversation?.end());

    test.each(SHARING.map((script) => [`${script.id}: ${script.says}`, script] as const))(
      '%s',
      async (_name, script) => {
        const seen = await conversation?.hold(script);
        expect(seen?.got).toEqual(seen?.wanted);
      },
    );
  });
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

needs({ linux: true, packages: ['pen'] }, "scripts on Debian's pen", () => {
  declare(ORIGINAL, ALONE);
  declareTalk(ORIGINAL);
});
needs({ linux: true }, 'scripts on Pen', () => {
  declare(OURS, ALONE);
  declareTalk(OURS);
});
needs({ linux: true, packages: ['pen'] }, 'scripts that nobody has thought of', declareDrawn);
needs({ linux: true, packages: ['pen'] }, "our penctl with Debian's pen", () =>
  declare(crossed(ORIGINAL, OURS), PENCTL),
);
needs({ linux: true, packages: ['pen'] }, "Debian's penctl with our pen", () =>
  declare(crossed(OURS, ORIGINAL), PENCTL),
);
