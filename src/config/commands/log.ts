/** Logs: of requests, `log FILE`, or `log HOST:PORT` for penlogd; and of connections, `connection_log FILE`. */
import { KIND_UNIX } from '../../base/endpoint.ts';
import { isName, parseListen, type WrittenAddress } from '../address.ts';
import { field, tellRow, type Answer } from '../answer.ts';
import { answer, type Call, type Command, type Parameter, type View } from '../command.ts';
import { ConfigError, type LogPlace } from '../model.ts';
import { settingPart } from '../parts.ts';
import { printable, quoted } from '../words.ts';
import { resolved } from './endpoints.ts';
import { changed } from './kinds.ts';

type LogKey = 'log' | 'connectionLog';

/** `NAME [PLACE]`, `no NAME`. Answers with the place if there is one. */
function placeCommand(
  spec: Pick<Command, 'help' | 'more' | 'hosts'> & {
    readonly name: string;
    readonly key: LogKey;
    readonly parameter: Parameter;
    readonly placeOf: (call: Call, word: string) => LogPlace;
  },
): Command {
  const { name, key, parameter, placeOf, ...rest } = spec;
  const tell = ({ state: { settings } }: Pick<View, 'state'>): Answer => {
    const text = settings[key]?.text ?? '';
    return tellRow({ [name]: text }, text === '' ? '' : `${text}\n`);
  };
  return {
    name,
    subject: 'process',
    parameters: [parameter],
    no: [],
    tell,
    told: { fields: { [name]: field('where it goes, as it was written; empty when there is none') }, lists: {} },
    sets: () => [settingPart(key)],
    run: (call) => {
      const [word] = call.words;
      if (call.isNo) return changed(call, key, undefined);
      if (word === undefined) return answer(call, tell(call));
      if (word === '') throw new ConfigError(call.where, `needs ${parameter.label}, not an empty word`);
      // Said again it is the very same, wherever it lies.
      const before = call.state.settings[key];
      const outcome = changed(call, key, word === before?.text ? before : placeOf(call, word));
      return { ...outcome, reply: tell(outcome) };
    },
    write: ({ settings }) => [settings[key] ? `${name} ${quoted(settings[key].text)}` : `no ${name}`],
    ...rest,
  };
}

function fileSaid({ pathOf, where }: Call, word: string): LogPlace {
  return { text: printable(pathOf?.(word, where) ?? word, where), endpoint: undefined };
}

/** As the original tells them apart: an address has a colon, a path that has one begins with a slash. */
function addressIn(word: string, where: string): Exclude<WrittenAddress, { path: string }> | undefined {
  if (word.startsWith('/') || !word.includes(':')) return undefined;
  const written = parseListen(word, where);
  return 'path' in written ? undefined : written;
}

function requestPlace(call: Call, word: string): LogPlace {
  const { where } = call;
  const written = addressIn(word, where);
  if (!written) return fileSaid(call, word);
  const endpoint = resolved(call, written, 1);
  if (endpoint.kind === KIND_UNIX || endpoint.ip.every((byte) => byte === 0)) {
    throw new ConfigError(where, `'${word}' is not the address of somebody; write host:port`);
  }
  return { text: word, endpoint };
}

export const LOG_COMMANDS: readonly Command[] = [
  placeCommand({
    name: 'log',
    key: 'log',
    help: 'Log what clients send, to a file or to penlogd',
    more: 'Each time a client sends something its first line is logged. A file is begun anew on SIGHUP, so it may be renamed before. `no log` ends the log.',
    parameter: {
      label: 'FILE|HOST:PORT',
      isOptional: true,
      words: [],
      help: 'a path, or where penlogd listens; a path that has a colon begins with a slash',
    },
    hosts: ([word], where) => {
      const written = word === undefined ? undefined : addressIn(word, where);
      return written && isName(written.host, where) ? [written.host] : [];
    },
    placeOf: requestPlace,
  }),
  placeCommand({
    name: 'connection_log',
    key: 'connectionLog',
    help: 'Log each connection when it has ended, as JSON',
    more: 'A line tells client and server, when it began, how long it took, bytes each way and why it ended. The file is begun anew on SIGHUP.',
    parameter: { label: 'FILE', isOptional: true, words: [], help: 'a path; in double quotes if it has blanks' },
    placeOf: fileSaid,
  }),
];
