/**
 * The worked examples of the original, one by one, on processes with each loop. Those that Debian's pen is held to run in
 * `test/differential` on the loop that Pen chooses by itself, the first, and are not repeated there.
 */
import { expect, test } from 'vitest';
import { OURS, type Program } from '../differential/program.ts';
import { runScript } from '../differential/run.ts';
import { ALONE } from '../differential/scripts/all.ts';
import { EXAMPLES } from '../support/examples.ts';
import { LOOPS } from '../support/rig.ts';
import { needsLoop } from '../support/skip.ts';

for (const loop of LOOPS) {
  const examples = loop === LOOPS[0] ? EXAMPLES.filter((example) => !ALONE.includes(example)) : EXAMPLES;
  const program: Program = { ...OURS, always: [...OURS.always, '-O', loop] };
  needsLoop(loop, 'examples', () => {
    test.concurrent.each(examples.map((example) => [`${example.id}: ${example.says}`, example] as const))(
      '%s',
      async (_, example) => {
        const { got, wanted } = await runScript(example, program);
        expect(got).toEqual(wanted);
      },
    );
  });
}
