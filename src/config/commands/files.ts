/**
 * Commands about files of commands. They take files and time, so the running program does them as errands; `include` in
 * a file or an option stands for the lines of the file it names.
 */
import type { Command, Parameter } from '../command.ts';
import { ConfigError } from '../model.ts';
import { path } from './kinds.ts';

const subject = 'files';

function file(isOptional: boolean, help: string): Parameter {
  return { label: 'FILE', isOptional, words: [], help };
}

function errand(name: string, help: string, ...parameters: readonly Parameter[]): Command {
  return {
    name,
    subject,
    help,
    parameters,
    no: undefined,
    isErrand: true,
    run: ({ where }) => {
      throw new ConfigError(where, 'only a running Pen can do that: say it by penctl');
    },
  };
}

export const FILE_COMMANDS: readonly Command[] = [
  errand('include', 'Obey the commands of a file, all or none', file(false, 'a file of commands')),
  errand('reload', 'Read the file of -F again, as SIGHUP does'),
  errand('plan', 'Tell what reload would change, and do nothing', file(true, 'instead of that of -F')),
  errand('write', 'Save all settings to a file', file(true, 'instead of that of -F')),
  {
    ...path({
      name: 'control_dir',
      subject,
      help: 'The folder of all files that control commands name',
      key: 'controlDir',
      label: 'DIR',
    }),
    isForFiles: true,
  },
];
