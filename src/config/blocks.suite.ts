/** Texts as the lines of a file, for tests: blocks of farms among them. */
import { blockBehind, inBlock } from './blocks.ts';
import { applyLine, readLine, type Context } from './commands.ts';
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

/** What such lines make of a state, one by one. @errors ConfigError. */
export function readInto(state: Configuration, texts: readonly string[], context: Context): Configuration {
  const lines = linesOf(texts).map(({ line }) => line);
  return lines.reduce((before, line) => ('kind' in line ? applyLine(before, line, '', context).state : before), state);
}
