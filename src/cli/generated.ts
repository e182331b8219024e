/** All files that are written from the registries of options and commands. */
import { referencePage } from '../config/reference.ts';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { zshCompletion } from './completion/zsh.ts';
import { logsManuals } from './logs-manual.ts';
import { penctlManual, penManual } from './manual.ts';
import { webstatsManual } from './webstats-manual.ts';

/** Their paths in the repository, and what they hold. */
export function generatedFiles(version: string): ReadonlyMap<string, string> {
  const fish = fishCompletion();
  return new Map([
    ['docs/reference.md', referencePage()],
    ['packaging/man/pen.1', penManual(version)],
    ['packaging/man/penctl.1', penctlManual(version)],
    ['packaging/man/webstats.1', webstatsManual(version)],
    ...[...logsManuals(version)].map(([name, page]) => [`packaging/man/${name}.1`, page] as const),
    ['packaging/completion/pen.bash', bashCompletion()],
    ['packaging/completion/_pen', zshCompletion()],
    ['packaging/completion/pen.fish', fish.pen],
    ['packaging/completion/penctl.fish', fish.penctl],
  ]);
}
