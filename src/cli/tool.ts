/** How the small programs run: what they print, and what becomes of their errors. */
import { ConfigError } from '../config/model.ts';
import { readLetters, usageOf, type Given, type Tool } from './letters.ts';
import { messageOf, print } from './messages.ts';
import { nameProcess } from './process-name.ts';
import { readVersion } from './version.ts';

/** Gives the exit status; undefined: usage is wanted. */
export type ToolRun = (given: Given) => Promise<number | undefined> | number | undefined;

/** Runs to the end and leaves the status in `process.exitCode`. @errors none: they are told. */
export async function runTool(tool: Tool, args: readonly string[], run: ToolRun): Promise<void> {
  // Else Node opens its inspector for whoever sends it.
  if (process.listenerCount('SIGUSR1') === 0) process.on('SIGUSR1', () => undefined);
  try {
    nameProcess(tool.name);
    const given = readLetters(tool, args);
    if (given.instead === 'version') process.exitCode = await answer(`${tool.name} ${readVersion()}\n`);
    else process.exitCode = (given.instead ? undefined : await run(given)) ?? (await answer(usageOf(tool)));
  } catch (error) {
    process.stderr.write(`${tool.name}: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

async function answer(text: string): Promise<number> {
  const error = await print(text);
  if (error) throw new ConfigError('stdout', `cannot be written to (${error.message})`);
  return 0;
}
