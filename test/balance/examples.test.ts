/** The worked examples of the original, one by one, on processes with each loop. */
import { expect, test } from 'vitest';
import { OURS, type Program } from '../differential/program.ts';
import { runScript } from '../differential/run.ts';
import { EXAMPLES } from '../support/examples.ts';
import { LOOPS } from '../support/rig.ts';
import { needs } from '../support/skip.ts';

for (const loop of LOOPS) {
  const program: Program = { ...OURS, always: [...OURS.always, '-O', loop] };
  needs({ linux: true, ...(loop === 'uring' ? { uring: true as const } : {}) }, `on ${loop}`, () => {
    test.concurrent.each(EXAMPLES.map((example) => [`${example.id}: ${example.says}`, example] as const))(
      '%s',
      async (_, example) => {
        const { got, wanted } = await runScript(example, program);
        expect(got).toEqual(wanted);
      },
    );
  });
}
