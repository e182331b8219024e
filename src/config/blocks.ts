/** Blocks of files: the lines behind `farm NAME`, up to the next such line or the end of the file, are about that farm. */
import { readLine, type Line } from './commands.ts';
import { isFarmName, UNNAMED } from './farms.ts';
import { quoted } from './words.ts';

/** The line that a block begins with. */
export function beginOf(farm: string): Line {
  return readLine(`farm ${quoted(farm)}`);
}

/** A line as it is understood in a block. One that names a farm itself is about that. */
export function inBlock<Other>(line: Line | Other, farm: string): Line | Other {
  if (farm === UNNAMED || !isCommand(line) || line.farm !== UNNAMED || isAboutFarm(line)) return line;
  const { kind, command, isNo, words } = line;
  return { kind, command, isNo, words, farm };
}

/**
 * The farm of the lines behind one. With a name that cannot be they are looked at as if they were of the unnamed one: one
 * mistake is told once, and nothing is obeyed then.
 */
export function blockBehind(line: unknown, farm: string): string {
  if (!isCommand(line) || line.farm !== UNNAMED || !isAboutFarm(line) || line.isNo) return farm;
  const [name = ''] = line.words;
  return isFarmName(name) ? name : UNNAMED;
}

type CommandLine = Extract<Line, { kind: 'command' }>;

function isCommand(line: unknown): line is CommandLine {
  return typeof line === 'object' && line !== null && 'kind' in line && line.kind === 'command';
}

function isAboutFarm({ command, isNo }: CommandLine): boolean {
  return command.name === 'farm' && !isNo;
}
