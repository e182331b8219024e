/** Lines that nobody should send, and such as somebody might: drawn from a seed. */
import type { Prng } from '../base/prng.ts';
import type { Command, Parameter } from '../config/command.ts';
import { COMMANDS } from '../config/commands.ts';
import { LATER_WORDS } from '../config/commands/later.ts';

/** All forms of all commands. */
export const FORMS: readonly string[] = COMMANDS.flatMap(({ name, no }) => (no ? [name, `no ${name}`] : [name]));

const NAMES = [...COMMANDS.map(({ name }) => name), ...LATER_WORDS, 'no', 'constructor', '__proto__', 'EXIT', '--json'];
const WORDS = [
  ...COMMANDS.flatMap(({ parameters }) => parameters.flatMap(({ words }) => words)),
  '0',
  '1',
  '9',
  '10',
  '-1',
  '-0',
  '+1',
  '1e3',
  '0x10',
  '1.5',
  '65535',
  '65536',
  '131072',
  '131073',
  '4194303',
  '2147483647',
  '2147483648',
  '4294967296',
  '99999999999',
  '9'.repeat(400),
  'NaN',
  'Infinity',
  '٣',
  '',
  '127.0.0.1',
  '0.0.0.0',
  '256.1.1.1',
  '1.2.3',
  '::',
  '::1',
  '[::1]',
  '[::1]:80',
  '::ffff:1.2.3.4',
  'fe80::1%2',
  'fe80::1%eth0',
  '10.0.0.0/8',
  '10.0.0.0/33',
  '2001::/16',
  '::/0',
  '::/129',
  '//',
  '/',
  '/run/x',
  `/${'x'.repeat(200)}`,
  'www',
  'www:80',
  ':',
  ':80',
  '80:',
  'a:b:c',
  '[',
  ']',
  '[]',
  '[]:1',
  '%',
  'country',
  'SE',
  '\0',
  '"',
  '""',
  '"a b"',
  '"a',
  '"\\n"',
  '"\\u0000"',
  "'",
  '\u{1F600}',
  'é',
];

/** Values by what their parameter is called. */
const VALUES: readonly (readonly [RegExp, readonly string[]])[] = [
  [/PORT|SERVER/, ['127.0.0.1:80', '[::1]:81', '/run/www', 'www:80', '80']],
  [/ADDRESS|IP|HOST/, ['127.0.0.1', '10.1.2.3', '2001:db8::1', '10.0.0.0/8', '/run/www', 'www', 'unix', 'country SE']],
  [/FILE|PATH|DIR/, ['/run/x', '/var/log/a', 'x', '"/run/with a blank"']],
  [/MASK/, ['255.255.255.0', '255.0.0.255']],
];

/** Farms that meet again, and words that no farm can be called. */
const FARMS = ['web', 'web', 'mail', 'no', 'farm', '9', 'constructor', 'x'.repeat(63)];
const NO_FARMS = ['', '-', '.web', 'a/b', '"a b"', 'x'.repeat(64), 'é'];

/** About as long as a line of a peer may be. */
const LONG = 65_450;

/** One in three as people write them, one in three nearly so, and others that are made of anything. */
export function drawLine(prng: Prng): string {
  const farm = pick(prng, prng.chance(1, 9) ? NO_FARMS : FARMS);
  return prng.chance(1, 4) ? `farm ${farm} ${drawCommand(prng)}` : drawCommand(prng);
}

function drawCommand(prng: Prng): string {
  if (prng.chance(1, 3)) return plausible(prng);
  if (prng.chance(1, 2)) return nearly(prng);
  if (prng.chance(1, 10)) return noise(prng);
  const words = [pick(prng, NAMES)];
  if (prng.chance(1, 4)) words.unshift('no');
  if (words.at(-1) === 'server') words.push(prng.chance(1, 2000) ? '65531' : String(prng.below(6)));
  if (words.at(-1) === 'acl') words.push(String(prng.below(11)), prng.chance(1, 2) ? 'permit' : 'deny');
  while (prng.chance(2, 3)) words.push(pick(prng, WORDS));
  const text = words.join(prng.chance(1, 9) ? ' \t ' : ' ');
  return prng.chance(1, 10) ? mutate(prng, text) : text;
}

/** A line as a person would write it, except that its numbers are often the first or last that can be. */
export function plausible(prng: Prng): string {
  const command = pick(prng, COMMANDS);
  const isNo = command.no !== undefined && prng.chance(1, 2);
  const form = isNo ? `no ${command.name}` : command.name;
  const parameters = (isNo ? command.no : command.parameters) ?? [];
  const said = parameters.slice(0, wordsSaid(prng, parameters));
  const words = said.flatMap((parameter) => valuesOf(prng, command, parameter));
  return [form, ...words].join(' ');
}

/** A line that is right but for one word, or one of its characters. */
function nearly(prng: Prng): string {
  const line = plausible(prng);
  const words = line.split(' ');
  // The command stays, for the most part: behind it is where most is read.
  const from = prng.chance(1, 10) ? 0 : Math.min(words.length - 1, words[0] === 'no' ? 2 : 1);
  const at = from + prng.below(words.length - from);
  const word = words[at] ?? '';
  const changes: readonly (() => readonly string[])[] = [
    () => words.with(at, pick(prng, WORDS)),
    () => words.with(at, beside(prng, word)),
    () => words.with(at, mutate(prng, word)),
    () => words.with(at, `"${word}`),
    () => words.with(at, `"${word}"`),
    () => words.toSpliced(at, 1),
    () => words.toSpliced(at, 0, word),
    () => words.slice(0, at),
    () => [...words, pick(prng, WORDS)],
    () => [...words, ...words],
  ];
  const changed = pick(prng, changes)().join(' ');
  return prng.chance(1, 1000) ? `${changed} ${'x'.repeat(LONG + prng.below(100))}` : changed;
}

/** The number beyond one that is the last or first that can be, as those of `plausible` often are. */
function beside(prng: Prng, word: string): string {
  const number = Number(word);
  return word !== '' && Number.isInteger(number) ? String(number + (prng.chance(1, 2) ? 1 : -1)) : `${word}x`;
}

/** All that must be there, and perhaps more. */
function wordsSaid(prng: Prng, parameters: readonly Parameter[]): number {
  const needed = parameters.filter(({ isOptional }) => !isOptional).length;
  return needed + prng.below(parameters.length - needed + 1);
}

function valuesOf(prng: Prng, command: Command, parameter: Parameter): string[] {
  const { label, words } = parameter;
  if (command.name === 'farm' && label === 'COMMAND') return prng.chance(1, 2) ? [plausible(prng)] : [];
  if (!label.endsWith('...')) return [valueOf(prng, command, parameter)];
  return Array.from({ length: prng.between(1, 4) }, () => {
    const key = pick(prng, words);
    return [key, key === 'address' ? pick(prng, ['127.0.0.1', '/run/www', 'www', '::1']) : String(prng.below(10))];
  }).flat();
}

function valueOf(prng: Prng, command: Command, { label, words, help }: Parameter): string {
  if (words.length > 0 && prng.chance(2, 3)) return pick(prng, words);
  const [, min, max] = /from (-?\d+) to (\d+)/.exec(help) ?? [];
  // Few servers, so that they meet again.
  if (command.name === 'server') return String(prng.below(6));
  if (command.name === 'farm') return pick(prng, FARMS);
  if (min !== undefined && max !== undefined) return drawNumber(prng, Number(min), Number(max));
  const values = VALUES.find(([pattern]) => pattern.test(label))?.[1];
  return pick(prng, values ?? WORDS);
}

function drawNumber(prng: Prng, min: number, max: number): string {
  const dice = prng.below(6);
  if (dice === 0) return String(min);
  if (dice === 1) return String(max);
  return String(Math.min(max, Math.max(0, min) + prng.below(100)));
}

function pick<T>(prng: Prng, from: readonly T[]): T {
  return from[prng.below(from.length)]!;
}

function noise(prng: Prng): string {
  const length = prng.skewed(2000);
  return Array.from({ length }, () =>
    String.fromCharCode(prng.chance(1, 2) ? prng.below(128) : prng.below(65536)),
  ).join('');
}

function mutate(prng: Prng, text: string): string {
  const at = prng.below(text.length + 1);
  const part = pick(prng, [' ', '\t', '\r', '\n', '\0', '#', 'no ', 'x', text, text.slice(at)]);
  return text.slice(0, at) + part + text.slice(at + prng.below(3));
}
