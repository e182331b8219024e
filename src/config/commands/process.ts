/** Commands about the process: its threads, its loop, what it tells, its end. */
import { field, tellRow } from '../answer.ts';
import { answer, type Command } from '../command.ts';
import { WORKERS_MAX } from '../../table/limits.ts';
import type { LoopChoice } from '../model.ts';
import { settingPart } from '../parts.ts';
import { changed, onOff, path, question, setting, whole } from './kinds.ts';

const subject = 'process';

/**
 * Words that choose the loop before the start. Afterwards those of the original mean nothing, as there, since old scripts say
 * them; ours are refused.
 */
function loop(
  name: string,
  choice: LoopChoice | undefined,
  help: string,
  isOfOriginal = choice === undefined,
): Command {
  return {
    name,
    subject,
    help,
    parameters: [],
    no: undefined,
    isForStart: true,
    sets: () => (choice === undefined ? [] : [settingPart('loop')]),
    run: (call) =>
      choice === undefined || (isOfOriginal && call.isPeer) ? answer(call, '') : changed(call, 'loop', choice),
    ...(choice !== undefined && { write: ({ settings }) => (settings.loop === choice ? [name] : []) }),
  };
}

const pidFile: Command = {
  ...path({ name: 'pid_file', subject, help: 'Where the process number is kept; at start only', key: 'pidFile' }),
  isForFiles: true,
  isForStart: true,
};

const exit: Command = {
  name: 'exit',
  subject,
  help: 'End Pen, if it was started with -X',
  parameters: [],
  no: undefined,
  run: (call) =>
    call.state.settings.exitEnabled
      ? { state: call.state, reply: '', actions: [{ kind: 'exit' }] }
      : answer(call, { mistake: 'Exit is not enabled; restart with -X flag\n' }),
};

const UNUSED = 'Accepted for old scripts; changes nothing';

export const PROCESS_COMMANDS: readonly Command[] = [
  question({
    name: 'pid',
    subject,
    help: 'Tell the process number',
    told: { fields: { pid: field('the process number') }, lists: {} },
    reply: ({ facts: { pid } }) => tellRow({ pid }, `${pid}\n`),
  }),
  exit,
  {
    ...onOff({ name: 'allow_exit', subject, help: 'Obey the command exit (off)', key: 'exitEnabled' }),
    isForFiles: true,
  },
  pidFile,
  setting({
    name: 'debug',
    subject,
    help: 'How much is told; 3 dumps what is transferred (0)',
    key: 'debug',
    type: whole('N', 0, 9),
  }),
  onOff({
    name: 'ascii',
    subject,
    help: 'Dumps show text instead of numbers (off)',
    key: 'ascii',
  }),
  onOff({
    name: 'abort_on_error',
    subject,
    help: 'End by SIGABRT, which leaves a core, after an error',
    key: 'abortOnError',
  }),
  {
    ...setting({
      name: 'workers',
      subject,
      help: 'Threads that move the bytes (1); at start only',
      key: 'workers',
      type: whole('N', 1, WORKERS_MAX),
    }),
    isForStart: true,
  },
  loop('uring', 'uring', 'Use io_uring; at start only'),
  loop('epoll', 'epoll', 'Use epoll; at start only', true),
  loop('node', 'node', "Use Node's own loop; at start only"),
  loop('poll', undefined, UNUSED),
  loop('select', undefined, UNUSED),
  loop('kqueue', undefined, UNUSED),
];
