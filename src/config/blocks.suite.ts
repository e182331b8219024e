/** Texts as the lines of a file, for tests: blocks of farms among them. */
import { Applying } from './apply.ts';
import { blockBehind, inBlock } from './blocks.ts';
import { readLine, type Context } from './commands.ts';
import { UNNAMED } from './farms.ts';
import type { Configuration } from './model.ts';
import type { ScriptLine } from './script.ts';

export function linesOf(texts: Iterable<string>, isAsked = false): ScriptLine[] {
  let [farm, number] = [UNNAMED, 0];
  return [...texts].map((text) => {
    const line = inBlock(readLine(text), farm);
    farm = blockBehind(line, farm);
    return { line, where: `f:${++number}`, isAsked };
  });
}

/** What such lines make of a state. @errors ConfigError. */
export function readInto(state: Configuration, texts: readonly string[], context: Context): Configuration {
  const applying = new Applying(state, context);
  for (const { line } of linesOf(texts)) if ('kind' in line) applying.apply(line, '');
  return applying.finish();
}
