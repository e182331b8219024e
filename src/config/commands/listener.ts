/** Commands about the listener, and how clients are taken from it. */
import { isName, parseListen } from '../address.ts';
import { field, tellRow, type Answer } from '../answer.ts';
import { answer, type Command } from '../command.ts';
import type { Configuration, WrittenEndpoint } from '../model.ts';
import { quoted } from '../words.ts';
import { resolved } from './endpoints.ts';
import { setting, whole } from './kinds.ts';

const subject = 'listener';
const ADDRESS = {
  label: '[HOST:]PORT|PATH',
  isOptional: true,
  words: [],
  help: 'a port, host:port, [ipv6]:port or the path of a unix socket',
};

function tellAddress(name: string, written: WrittenEndpoint | undefined): Answer {
  return tellRow({ [name]: written?.text ?? '' }, written === undefined ? '' : `${written.text}\n`);
}

/** @param portMin 0 where the system may choose the port. */
function place(name: 'listen' | 'control', help: string, portMin: 0 | 1): Command {
  const tell = ({ state }: { readonly state: Configuration }): Answer => tellAddress(name, state[name]);
  return {
    name,
    subject,
    help,
    parameters: [ADDRESS],
    no: undefined,
    hosts: ([word], where) => {
      const written = word === undefined ? undefined : parseListen(word, where);
      return written && 'host' in written && isName(written.host, where) ? [written.host] : [];
    },
    tell,
    told: { fields: { [name]: field('the address, as it was written; empty when there is none') }, lists: {} },
    sets: (words) => (words.length === 0 ? [] : [{ of: name }]),
    run: (call) => {
      const [text] = call.words;
      if (text === undefined) return answer(call, tell(call));
      const endpoint = resolved(call, parseListen(text, call.where), portMin);
      const state = { ...call.state, [name]: { text, endpoint } };
      return { state, reply: tell({ state }), actions: [] };
    },
    write: ({ [name]: written }) => (written ? [`${name} ${quoted(written.text)}`] : []),
  };
}

export const LISTENER_COMMANDS: readonly Command[] = [
  place('listen', 'Where clients come to; those that are there stay', 0),
  setting({
    name: 'accept_batch',
    subject,
    help: 'Accept at most so many connections per wake-up (100)',
    key: 'acceptBatch',
    type: whole('N', 1, 10_000),
  }),
  setting({
    name: 'backlog',
    subject,
    help: 'Clients that may wait to be accepted (500)',
    key: 'backlog',
    type: whole('N', 1, 65_535),
  }),
  { ...place('control', 'Where commands come to; at start only', 1), isForFiles: true, isForStart: true },
];
