/** Commands and their output in the `console` blocks of a page, so that pages can be held to what they say. */

export interface ConsoleCommand {
  /** What stands behind the prompt. */
  readonly line: string;
  /** The lines below it, up to the next prompt; `...` stands for anything in a line, and alone for any lines. */
  readonly output: string;
}

/** All commands of a page, in their order. @errors an output without a command. */
export function commandsOf(page: string): ConsoleCommand[] {
  const commands: ConsoleCommand[] = [];
  for (const [, block = ''] of page.matchAll(/^```console\n(.*?)^```$/gms)) {
    const [before, ...parts] = `\n${block}`.split('\n$ ');
    if (before !== '' && before !== undefined) throw new Error(`no command stands above: ${before}`);
    for (const part of parts) {
      const end = part.indexOf('\n');
      const line = end < 0 ? part : part.slice(0, end);
      const output = end < 0 ? '' : part.slice(end + 1);
      commands.push({ line, output: output === '' || output.endsWith('\n') ? output : `${output}\n` });
    }
  }
  return commands;
}

/** What an output has to look like, from its first to its last character. */
export function patternOf(output: string): RegExp {
  const lines = output.split(/(?<=\n)/).map((line) => {
    if (line === '...\n') return '[^]*';
    const literal = line.replace(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
    return literal.replaceAll(String.raw`\.\.\.`, '.*');
  });
  return new RegExp(`^${lines.join('')}$`);
}
