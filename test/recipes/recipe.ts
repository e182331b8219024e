/** What the page of recipes says, run on a stage, and compared with what it says is printed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { commandsOf, patternOf, type ConsoleCommand } from '../support/console-blocks.ts';
import { Stage, type ServerMachine } from './stage.ts';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/recipes.md', import.meta.url)), 'utf8');
/** Servers make their data first. */
const START_LIMIT_MS = 60_000;

/** The console blocks of a section, each the commands of one moment: at first, after a server has died, ... */
export function blocksOf(title: string): ConsoleCommand[][] {
  const section = PAGE.split(/^(?=## )/m).find((text) => text.startsWith(`## ${title}\n`));
  if (section === undefined) throw new Error(`docs/recipes.md has no section ${title}`);
  return (section.match(/^```console\n.*?^```$/gms) ?? []).map((block) => commandsOf(block));
}

/** A stage for the tests of a suite. @param serve starts the server of a machine, the first or the second. */
export function staged(serve: (stage: Stage, machine: ServerMachine, n: number) => Promise<void>): () => Stage {
  let stage: Stage | undefined;
  beforeAll(async () => {
    stage = await Stage.open();
    await serve(stage, 'one', 1);
    await serve(stage, 'two', 2);
  }, START_LIMIT_MS);
  afterAll(() => stage?.close());
  return () => {
    if (stage === undefined) throw new Error('there is no stage yet');
    return stage;
  };
}

/** What a line prints when `$a` is each address of the client's machine in turn, with the address in front, sorted. */
export async function atEach(stage: Stage, addresses: readonly string[], line: string): Promise<string> {
  const output = await stage.print('client', `for a in ${addresses.join(' ')}; do echo "$a $(${line})"; done`);
  return output.split('\n').sort().join('\n');
}

/** Runs commands in their order: those of Pen on its machine, all others on the client's. */
export async function follow(stage: Stage, commands: readonly ConsoleCommand[] | undefined): Promise<void> {
  if (commands === undefined || commands.length === 0) throw new Error('docs/recipes.md has no commands there');
  for (const { line, output } of commands) {
    const outcome = await stage.run(/^(for .* do )?(pen|penctl) /.test(line) ? 'pen' : 'client', line);
    // Many protocols end their lines with a return, which a terminal does not show.
    expect(outcome.output.replaceAll('\r', ''), line).toMatch(patternOf(output));
  }
}
