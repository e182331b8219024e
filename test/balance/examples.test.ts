/** The worked examples of the original, one by one, on processes with each loop. */
import { expect, test } from 'vitest';
import { PENDING } from '../differential/pending.ts';
import { OURS, type Program } from '../differential/program.ts';
import { runScript } from '../differential/run.ts';
import { EXAMPLES } from '../support/examples.ts';
import { LOOPS } from '../support/rig.ts';
import { needs } from '../support/skip.ts';

/** Examples that are not scripts of their own, and one each that needs the same of the program. */
const LIKE: Readonly<Record<string, string>> = { E2: 'E1', E4: 'E3', E51: 'E63' };

const ready = EXAMPLES.filter(({ id }) => !PENDING.has(LIKE[id] ?? id));

for (const loop of LOOPS) {
  const program: Program = { ...OURS, always: [...OURS.always, '-O', loop] };
  needs({ linux: true }, `on ${loop}`, () => {
    test.concurrent.each(ready.map((example) => [`${example.id}: ${example.says}`, example] as const))(
      '%s',
      async (_, example) => {
        const { got, wanted } = await runScript(example, program);
        expect(got).toEqual(wanted);
      },
    );
  });
}
