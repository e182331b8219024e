/**
 * The commands of this version, one entry each: what it takes and what it changes.
 *
 * The same words that the control socket and configuration files will speak; today they come by `-O`.
 */
import { ConfigError, type Fastclose, type Settings } from './model.ts';
import { parseWhole } from './numbers.ts';

type Change = (settings: Settings, words: readonly string[], where: string) => Settings;

const SECONDS_MAX = 10_000_000;
const CONNECTIONS_LIMIT = 131_072;

function number(key: keyof Settings, min: number, max: number): Change {
  return (settings, words, where) => ({ ...settings, [key]: parseWhole(one(words, where), where, min, max) });
}

function flag<Key extends keyof Settings>(key: Key, value: Settings[Key]): Change {
  return (settings, words, where) => {
    if (words.length > 0) throw new ConfigError(where, `takes nothing after it, not '${words.join(' ')}'`);
    return { ...settings, [key]: value };
  };
}

function one(words: readonly string[], where: string): string {
  const [word] = words;
  if (word === undefined || words.length > 1)
    throw new ConfigError(where, `takes exactly one word, not ${words.length}`);
  return word;
}

const FASTCLOSE_WORDS: ReadonlySet<string> = new Set<Fastclose>(['off', 'up', 'down', 'both']);

function isFastclose(word: string): word is Fastclose {
  return FASTCLOSE_WORDS.has(word);
}

const fastclose: Change = (settings, words, where) => {
  const word = one(words, where);
  if (!isFastclose(word)) throw new ConfigError(where, `'${word}' is not one of up, down, both, off`);
  return { ...settings, tcpFastclose: word };
};

const COMMANDS: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['uring', flag('loop', 'uring')],
  ['epoll', flag('loop', 'epoll')],
  ['blacklist', number('blacklist', 0, SECONDS_MAX)],
  ['timeout', number('timeout', 1, SECONDS_MAX)],
  ['idle_timeout', number('idleTimeout', 0, SECONDS_MAX)],
  ['half_closed_timeout', number('halfClosedTimeout', 0, SECONDS_MAX)],
  ['conn_max', number('connMax', 1, CONNECTIONS_LIMIT)],
  ['pending_max', number('pendingMax', 1, CONNECTIONS_LIMIT)],
  ['accept_batch', number('acceptBatch', 1, 10_000)],
  ['backlog', number('backlog', 1, 65_535)],
  ['tcp_fastclose', fastclose],
  ['tcp_nodelay', flag('tcpNodelay', true)],
  ['no tcp_nodelay', flag('tcpNodelay', false)],
  ['keepalive', flag('keepalive', true)],
  ['no keepalive', flag('keepalive', false)],
  ['stubborn', flag('stubborn', true)],
  ['no stubborn', flag('stubborn', false)],
  ['roundrobin', flag('roundrobin', true)],
]);

/** The words that can begin a command, for help. */
export function commandWords(): string[] {
  return [...COMMANDS.keys()];
}

/**
 * Applies one command line to settings.
 *
 * @errors ConfigError naming `where`, the word and what would be right; the settings given are never changed.
 */
export function applyCommand(settings: Settings, line: string, where: string): Settings {
  const words = line.trim().split(/\s+/);
  const isNegated = words[0] === 'no';
  const name = words.slice(0, isNegated ? 2 : 1).join(' ');
  const change = COMMANDS.get(name);
  if (!change)
    throw new ConfigError(where, `'${name}' is not a command of this version; it knows ${commandWords().join(', ')}`);
  return change(settings, words.slice(isNegated ? 2 : 1), `${where} '${name}'`);
}
