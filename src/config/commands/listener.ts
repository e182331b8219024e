/** Commands about the listener, and how clients are taken from it. */
import { isName, parseListen } from '../address.ts';
import { field, tellRow, type Answer } from '../answer.ts';
import { answer, type Command } from '../command.ts';
import { textOfListen, type Configuration, type WrittenEndpoint } from '../model.ts';
import { quoted } from '../words.ts';
import { resolved } from './endpoints.ts';
import { setting, whole } from './kinds.ts';

const subject = 'listener';
const HELP = 'a port, host:port, [ipv6]:port or the path of a unix socket';
const ADDRESS = { label: '[HOST:]PORT|PATH', isOptional: true, words: [], help: HELP };
const ADDRESSES = { ...ADDRESS, isRepeated: true, help: `${HELP}; several of them are all listened at` };

function tellAddresses(name: string, written: readonly WrittenEndpoint[]): Answer {
  const text = textOfListen(written);
  return tellRow({ [name]: text }, text === '' ? '' : `${text}\n`);
}

/**
 * @param of what is said so far, and what is when addresses are said.
 * @param portMin 0 where the system may choose the port.
 */
function place(
  name: 'listen' | 'control',
  help: string,
  portMin: 0 | 1,
  of: (state: Configuration) => readonly WrittenEndpoint[],
  say: (state: Configuration, written: readonly WrittenEndpoint[]) => Configuration,
): Command {
  const parameters = name === 'listen' ? [ADDRESSES] : [ADDRESS];
  const said = (words: readonly string[]): readonly string[] => (name === 'listen' ? words : words.slice(0, 1));
  const tell = ({ state }: { readonly state: Configuration }): Answer => tellAddresses(name, of(state));
  return {
    name,
    subject,
    help,
    parameters,
    no: undefined,
    hosts: (words, where) =>
      said(words).flatMap((word) => {
        const written = parseListen(word, where);
        return 'host' in written && isName(written.host, where) ? [written.host] : [];
      }),
    tell,
    told: {
      fields: { [name]: field('what was written, with blanks between several; empty when there is none') },
      lists: {},
    },
    sets: (words) => (words.length === 0 ? [] : [{ of: name }]),
    run: (call) => {
      const texts = said(call.words);
      if (texts.length === 0) return answer(call, tell(call));
      const written = texts.map((text) => ({
        text,
        endpoint: resolved(call, parseListen(text, call.where), portMin),
      }));
      const state = say(call.state, written);
      return { state, reply: tell({ state }), actions: [] };
    },
    write: (state) => {
      const texts = of(state).map(({ text }) => quoted(text));
      return texts.length === 0 ? [] : [`${name} ${texts.join(' ')}`];
    },
  };
}

export const LISTENER_COMMANDS: readonly Command[] = [
  place(
    'listen',
    'Where clients come to; those that are there stay',
    0,
    ({ listen }) => listen,
    (state, listen) => ({ ...state, listen }),
  ),
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
  {
    ...place(
      'control',
      'Where commands come to; at start only',
      1,
      ({ control }) => (control ? [control] : []),
      (state, [control]) => ({ ...state, control }),
    ),
    isForFiles: true,
    isForStart: true,
  },
];
