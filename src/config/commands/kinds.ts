/** The kinds of command that most commands are: a setting of one word, a switch, a question. */
import {
  answer,
  type Call,
  type Command,
  type Outcome,
  type Parameter,
  type Reply,
  type Subject,
  type View,
} from '../command.ts';
import { ConfigError, type Settings } from '../model.ts';
import { parseWhole, shorten } from '../numbers.ts';

/** The settings that can hold `Value`. */
type KeysOf<Value> = { [K in keyof Settings]: Value extends Settings[K] ? K : never }[keyof Settings];

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

export interface SettingSpec<K extends keyof Settings> extends Basics {
  readonly key: K;
  readonly type: WordType<Settings[K]>;
  /** Makes the new value from the one that is set and the one that was said. **Default** the latter. */
  readonly combine?: (before: Settings[K], said: Settings[K]) => Settings[K];
  /** The answer, without its line end; null when there never is one. **Default** the value. */
  readonly reply?: ((settings: Settings) => string) | null;
}

/** `NAME [WORD]`: sets the value; answers with what is in force. */
export function setting<K extends keyof Settings>(spec: SettingSpec<K>): Command {
  const { name, subject, help, key, type, combine = (_before, said) => said } = spec;
  const { reply = (settings: Settings): string => String(settings[key]) } = spec;
  const tell = ({ state }: Pick<View, 'state'>): string => (reply ? `${reply(state.settings)}\n` : '');
  const run = (call: Call): Outcome => {
    const [word] = call.words;
    if (word === undefined) return answer(call, tell(call));
    const outcome = changed(call, key, combine(call.state.settings[key], type.parse(word, call.where)));
    return { ...outcome, reply: tell(outcome) };
  };
  return {
    name,
    subject,
    help,
    parameters: [type.parameter],
    no: undefined,
    ...(reply && { tell }),
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
    run: (call) => changed(call, key, !call.isNo),
    write: ({ settings }) => [settings[key] ? name : `no ${name}`],
  };
}

/** `NAME [WORD]`: answers, and changes nothing. */
export function question(
  basics: Basics,
  reply: (view: View, words: readonly string[], where: string) => Reply,
  ...parameters: readonly Parameter[]
): Command {
  return { ...basics, parameters, no: undefined, run: (call) => answer(call, reply(call, call.words, call.where)) };
}
