/** Commands about the process: its threads, its loop, what it tells, its end. */
import { answer, type Command } from '../command.ts';
import { WORKERS_MAX } from '../../table/limits.ts';
import type { LoopChoice } from '../model.ts';
import { changed, onOff, question, setting, whole } from './kinds.ts';

const subject = 'process';

/** Words that choose the loop before the start, and mean nothing afterwards. */
function loop(name: string, choice: LoopChoice | undefined, help: string): Command {
  return {
    name,
    subject,
    help,
    parameters: [],
    no: undefined,
    run: (call) => (choice === undefined ? answer(call, '') : changed(call, 'loop', choice)),
    ...(choice !== undefined && { write: ({ settings }) => (settings.loop === choice ? [name] : []) }),
  };
}

const exit: Command = {
  name: 'exit',
  subject,
  help: 'End Pen, if it was started with -X',
  parameters: [],
  no: undefined,
  run: (call) =>
    call.state.settings.exitEnabled
      ? { state: call.state, reply: '', actions: [{ kind: 'exit' }] }
      : answer(call, 'Exit is not enabled; restart with -X flag\n'),
};

const UNUSED = 'Accepted for old scripts; changes nothing';

export const PROCESS_COMMANDS: readonly Command[] = [
  question({ name: 'pid', subject, help: 'Tell the process number' }, ({ facts }) => `${facts.pid}\n`),
  exit,
  setting({
    name: 'debug',
    subject,
    help: 'How much is told while running (0)',
    key: 'debug',
    type: whole('N', 0, 9),
  }),
  onOff({ name: 'ascii', subject, help: 'Debug dumps show characters instead of numbers', key: 'ascii' }),
  setting({
    name: 'workers',
    subject,
    help: 'Threads that move the bytes (1); at start only',
    key: 'workers',
    type: whole('N', 1, WORKERS_MAX),
  }),
  loop('uring', 'uring', 'Use io_uring; at start only'),
  loop('epoll', 'epoll', 'Use epoll; at start only'),
  loop('node', 'node', "Use Node's own loop; at start only"),
  loop('poll', undefined, UNUSED),
  loop('select', undefined, UNUSED),
  loop('kqueue', undefined, UNUSED),
];
