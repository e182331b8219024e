/** The kinds of command that most commands are: a setting of one word, a switch, a question. */
import { field, tellRow, type Answer, type Reply, type Told, type Value } from '../answer.ts';
import {
  answer,
  type Call,
  type Command,
  type Outcome,
  type Parameter,
  type Facts,
  type Subject,
  type View,
} from '../command.ts';
import { ConfigError, type Settings } from '../model.ts';
import { settingPart } from '../parts.ts';
import { printable, quoted } from '../words.ts';
import { parseWhole, shorten } from '../numbers.ts';

/** The settings that can hold `Value`. */
type KeysOf<Value> = { [K in keyof Settings]: Value extends Settings[K] ? K : never }[keyof Settings];

/** The settings that are written as one word. */
type WordKey = {
  [K in keyof Settings]: Settings[K] extends string | number | boolean ? K : never;
}[keyof Settings];

export const SECONDS_MAX = 10_000_000;

interface Basics {
  readonly name: string;
  readonly subject: Subject;
  readonly help: string;
}

/** How the one word of a setting is read. */
export interface WordType<Value> {
  readonly parameter: Parameter;
  /** @errors ConfigError that says what would be right. */
  readonly parse: (word: string, where: string) => Value;
}

/** A whole number. */
export function whole(label: string, min: number, max: number): WordType<number> {
  return {
    parameter: { label, isOptional: true, words: [], help: `a whole number from ${min} to ${max}` },
    parse: (word, where) => parseWhole(word, where, min, max),
  };
}

/** One of several words. */
export function oneOf<Word extends string>(...words: readonly Word[]): WordType<Word> {
  return {
    parameter: { label: words.join('|'), isOptional: true, words, help: `one of ${words.join(', ')}` },
    parse: (word, where) => {
      const found = words.find((candidate) => candidate === word);
      if (found !== undefined) return found;
      throw new ConfigError(where, `'${shorten(word)}' is not one of ${words.join(', ')}`);
    },
  };
}

/** A whole number, or a word that stands for another way to settle it, which is told by its meaning. */
export function wholeOr<Word extends string>(
  word: Word,
  label: string,
  min: number,
  max: number,
  meaning: string,
): WordType<number | Word> {
  const number = whole(label, min, max);
  const help = `${number.parameter.help}, or ${word}: ${meaning}`;
  return {
    parameter: { label: `${label}|${word}`, isOptional: true, words: [word], help },
    parse: (text, where) => (text === word ? word : number.parse(text, where)),
  };
}

/** A state that differs in one setting. */
export function changed<K extends keyof Settings>(call: Call, key: K, value: Settings[K]): Outcome {
  const { state } = call;
  return { state: { ...state, settings: { ...state.settings, [key]: value } }, reply: '', actions: [] };
}

export interface SettingSpec<K extends WordKey> extends Basics {
  readonly key: K;
  readonly type: WordType<Settings[K]>;
  /** Makes the new value from the one that is set and the one that was said. **Default** the latter. */
  readonly combine?: (before: Settings[K], said: Settings[K], facts: Facts) => Settings[K];
  /** What is told. **Default** what is set. */
  readonly value?: (settings: Settings, facts: Facts) => Value;
  /** The answer, without its line end; null when there never is one. **Default** the value. */
  readonly reply?: ((value: Value) => string) | null;
}

/** `NAME [WORD]`: sets the value; answers with what is in force. */
export function setting<K extends WordKey>(spec: SettingSpec<K>): Command {
  const { name, subject, help, key, type, combine = (_before, said) => said } = spec;
  const { value = (settings: Settings): Value => settings[key], reply = String } = spec;
  const tell = ({ state, facts }: View): Answer => {
    const told = value(state.settings, facts);
    return tellRow({ [name]: told }, reply ? `${reply(told)}\n` : '');
  };
  const run = (call: Call): Outcome => {
    const [word] = call.words;
    if (word === undefined) return answer(call, tell(call));
    const { facts } = call;
    const outcome = changed(call, key, combine(call.state.settings[key], type.parse(word, call.where), facts));
    return { ...outcome, reply: tell({ state: outcome.state, facts }) };
  };
  const unit = type.parameter.label === 'SECONDS' ? 'seconds' : '';
  return {
    name,
    subject,
    help,
    parameters: [type.parameter],
    no: undefined,
    ...(reply && { tell }),
    sets: (words) => (words.length === 0 ? [] : [settingPart(key)]),
    told: { fields: { [name]: field('what is in force', unit) }, lists: {} },
    run,
    write: ({ settings }) => [`${name} ${settings[key]}`],
  };
}

export interface SwitchSpec extends Basics {
  readonly key: KeysOf<boolean>;
}

/** `NAME`, `no NAME`: on and off, without an answer. */
export function onOff({ name, subject, help, key }: SwitchSpec): Command {
  return {
    name,
    subject,
    help,
    parameters: [],
    no: [],
    sets: () => [settingPart(key)],
    run: (call) => changed(call, key, !call.isNo),
    write: ({ settings }) => [settings[key] ? name : `no ${name}`],
  };
}

export interface PathSpec extends Basics {
  readonly key: KeysOf<string> & TextKey;
  /** What the path is of. **Default** FILE. */
  readonly label?: string;
}

/** Settings that are paths; empty for none. */
type TextKey = {
  [K in keyof Settings]: Settings[K] extends string ? (string extends Settings[K] ? K : never) : never;
}[keyof Settings];

/** The path that a word means. The one in force may be said again, wherever it is. @errors ConfigError. */
export function pathSaid({ state, pathOf, where }: Call, key: TextKey, word: string): string {
  return word === state.settings[key] ? word : printable(pathOf?.(word, where) ?? word, where);
}

/** `NAME [FILE]`, `no NAME`: a path, or none. Answers with it if there is one. */
export function path({ name, subject, help, key, label = 'FILE' }: PathSpec): Command {
  const tell = ({ state: { settings } }: Pick<View, 'state'>): Answer =>
    tellRow({ [name]: settings[key] }, settings[key] === '' ? '' : `${settings[key]}\n`);
  return {
    name,
    subject,
    help,
    parameters: [{ label, isOptional: true, words: [], help: 'a path; in double quotes if it has blanks' }],
    no: [],
    tell,
    told: { fields: { [name]: field('the path; empty when there is none') }, lists: {} },
    sets: () => [settingPart(key)],
    run: (call) => {
      const [word] = call.words;
      if (call.isNo) return changed(call, key, '');
      if (word === undefined) return answer(call, tell(call));
      if (word === '') throw new ConfigError(call.where, 'needs a path, not an empty word');
      const outcome = changed(call, key, pathSaid(call, key, word));
      return { ...outcome, reply: tell(outcome) };
    },
    write: ({ settings }) => [settings[key] === '' ? `no ${name}` : `${name} ${quoted(settings[key])}`],
  };
}

export interface QuestionSpec extends Basics {
  readonly told: Told;
  readonly reply: (view: View, words: readonly string[], where: string) => Reply;
  readonly parameters?: readonly Parameter[];
}

/** `NAME [WORD]`: answers, and changes nothing. */
export function question({ name, subject, help, told, reply, parameters = [] }: QuestionSpec): Command {
  const run = (call: Call): Outcome => answer(call, reply(call, call.words, call.where));
  return { name, subject, help, told, parameters, no: undefined, run };
}
