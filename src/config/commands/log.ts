/** The request log: `log FILE`, or `log HOST:PORT` for penlogd. */
import { KIND_UNIX } from '../../base/endpoint.ts';
import { isName, parseListen, type WrittenAddress } from '../address.ts';
import { field, tellRow, type Answer } from '../answer.ts';
import { answer, type Call, type Command, type View } from '../command.ts';
import { ConfigError, type LogPlace } from '../model.ts';
import { settingPart } from '../parts.ts';
import { printable, quoted } from '../words.ts';
import { resolved } from './endpoints.ts';
import { changed } from './kinds.ts';

function tell({ state: { settings } }: Pick<View, 'state'>): Answer {
  const text = settings.log?.text ?? '';
  return tellRow({ log: text }, text === '' ? '' : `${text}\n`);
}

/** As the original tells them apart: an address has a colon, a path that has one begins with a slash. */
function addressIn(word: string, where: string): Exclude<WrittenAddress, { path: string }> | undefined {
  if (word.startsWith('/') || !word.includes(':')) return undefined;
  const written = parseListen(word, where);
  return 'path' in written ? undefined : written;
}

function placeSaid(call: Call, word: string): LogPlace {
  const { where, state } = call;
  // Said again it is the very same: it stays open, wherever it lies.
  if (word === state.settings.log?.text) return state.settings.log;
  const written = addressIn(word, where);
  if (!written) return { text: printable(call.pathOf?.(word, where) ?? word, where), endpoint: undefined };
  const endpoint = resolved(call, written, 1);
  if (endpoint.kind === KIND_UNIX || endpoint.ip.every((byte) => byte === 0)) {
    throw new ConfigError(where, `'${word}' is not the address of somebody; write host:port`);
  }
  return { text: word, endpoint };
}

export const LOG_COMMANDS: readonly Command[] = [
  {
    name: 'log',
    subject: 'process',
    help: 'Log what clients send, to a file or to penlogd',
    more: 'Each time a client sends something its first line is logged. A file is begun anew on SIGHUP, so it may be renamed before. `no log` ends the log.',
    parameters: [
      {
        label: 'FILE|HOST:PORT',
        isOptional: true,
        words: [],
        help: 'a path, or where penlogd listens; a path that has a colon begins with a slash',
      },
    ],
    no: [],
    hosts: ([word], where) => {
      const written = word === undefined ? undefined : addressIn(word, where);
      return written && isName(written.host, where) ? [written.host] : [];
    },
    tell,
    told: { fields: { log: field('where it goes, as it was written; empty when there is none') }, lists: {} },
    sets: () => [settingPart('log')],
    run: (call) => {
      const [word] = call.words;
      if (call.isNo) return changed(call, 'log', undefined);
      if (word === undefined) return answer(call, tell(call));
      if (word === '') throw new ConfigError(call.where, 'needs a path or host:port, not an empty word');
      const outcome = changed(call, 'log', placeSaid(call, word));
      return { ...outcome, reply: tell(outcome) };
    },
    write: ({ settings: { log } }) => [log ? `log ${quoted(log.text)}` : 'no log'],
  },
];
