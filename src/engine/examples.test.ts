/** The worked examples of the original, one by one, on the engine alone: what is chosen, walked to and remembered. */
import { expect, test } from 'vitest';
import { EXAMPLES, NUMBERS, wantedOf } from '../../test/support/examples.ts';
import { isJudged } from '../../test/differential/script.ts';
import { ExampleStage } from './example.suite.ts';

test('every one of the 52 is there', () => {
  expect(NUMBERS).toEqual(Array.from({ length: 52 }, (_, index) => index + 1));
});

test.each(EXAMPLES.map((example) => [`${example.id}: ${example.says}`, example] as const))('%s', (_, example) => {
  const stage = new ExampleStage(example);
  const got: string[] = [];
  for (const step of example.steps) {
    if (step.do === 'request') got.push(stage.request(step));
    else if (step.do === 'say') got.push(stage.say(step.bytes));
    else if (step.do === 'wait') stage.sleep(Number(step.what));
    else throw new Error(`an example has the step ${step.do}, which is not known here`);
  }
  expect(got).toEqual(example.steps.filter(isJudged).map(wantedOf));
});
