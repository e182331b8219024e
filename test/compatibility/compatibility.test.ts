/** Holds `docs/compatibility.md` to the program and to its tests. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { OPTIONS } from '../../src/cli/options.ts';
import { readLine } from '../../src/config/commands.ts';
import { isJudged, words, type Script } from '../differential/script.ts';
import { SCRIPTS } from '../differential/scripts/all.ts';
import { COMMAND_ENTRIES } from './commands.ts';
import type { Entry } from './entry.ts';
import { OPTION_ENTRIES } from './options.ts';
import { ORIGINAL_COMMANDS, ORIGINAL_OPTIONS } from './original.ts';
import { OTHER_ENTRIES } from './others.ts';
import { compatibilityPage, wordOf } from './page.ts';

const ROOT = new URL('../../', import.meta.url);
const PAGE = fileURLToPath(new URL('docs/compatibility.md', ROOT));
const HOW = 'put it right in test/compatibility, then PEN_WRITE=1 npm test -- test/compatibility';

/** A test that is named must exist; a script must have to do with the word, which may be among its options or steps. */
function complaintsAbout(name: string, { tests }: Entry, isAbout: (script: Script) => boolean): string[] {
  if (tests.length === 0) return [`${name}: no test shows it`];
  return tests.flatMap((test) => {
    const [file = '', title] = test.split(/: (.*)/s, 2);
    if (title === undefined) {
      const script = SCRIPTS.find(({ id }) => id === test);
      if (!script) return [`${name}: there is no script ${test}`];
      return isAbout(script) ? [] : [`${name}: the script ${test} does not use it`];
    }
    const path = new URL(file, ROOT);
    if (!existsSync(path)) return [`${name}: there is no file ${file}`];
    const source = readFileSync(path, 'utf8');
    const quoted = [`'${title}'`, `"${title}"`, `\`${title}\``];
    return quoted.some((text) => source.includes(text)) ? [] : [`${name}: ${file} has no test '${title}'`];
  });
}

/** All words that a script writes on a command line. */
function argumentsOf({ options = '', emergency, abuse, steps }: Script): readonly string[] {
  const started = steps.flatMap((step) => (step.do === 'start' ? step.args : []));
  const servers = [...(emergency === undefined ? [] : ['-e']), ...(abuse === undefined ? [] : ['-B'])];
  const isSpokenTo = steps.some((step) => step.do === 'say' || step.do === 'penctl');
  return [...words(options), ...started, ...servers, '-f', ...(isSpokenTo ? ['-C'] : [])];
}

function hasOption(letter: string, script: Script): boolean {
  const bundled = new RegExp(`^-[a-zA-Z]*${letter}`);
  return argumentsOf(script).some((word) => bundled.test(word));
}

/** Said to the control listener, or by an option that stands for it. */
function hasCommand(command: string, script: Script): boolean {
  const short = OPTIONS.filter((option) => option.command === command);
  if (short.some(({ letter }) => hasOption(letter, script))) return true;
  const said = script.steps.flatMap((step) => (isJudged(step) && step.do === 'say' ? [step.bytes] : []));
  return [...said, ...argumentsOf(script)].some((line) => new RegExp(`^\\s*(?:no )?${command}\\b`).test(line));
}

test('each option has its line, which says of what is refused that it is, and names tests', () => {
  expect(Object.keys(OPTION_ENTRIES).sort()).toEqual([...ORIGINAL_OPTIONS].sort());
  const complaints = Object.entries(OPTION_ENTRIES).flatMap(([letter, entry]) => {
    const isLater = OPTIONS.find((option) => option.letter === letter)?.isLater === true;
    const wrong = isLater !== (entry.state === 'later');
    return [
      ...(wrong ? [`-${letter} is ${isLater ? 'refused' : 'obeyed by now'}`] : []),
      ...complaintsAbout(`-${letter}`, entry, (script) => hasOption(letter, script)),
    ];
  });
  expect(complaints, HOW).toEqual([]);
});

test('each command has its line, which says of what is refused that it is, and names tests', () => {
  expect(Object.keys(COMMAND_ENTRIES).sort()).toEqual(ORIGINAL_COMMANDS.map(wordOf).sort());
  const complaints = ORIGINAL_COMMANDS.flatMap((written) => {
    const word = wordOf(written);
    const entry = COMMAND_ENTRIES[word]!;
    const forms = word === written ? [word] : [word, `no ${word}`];
    const wanted = entry.state === 'later' ? 'later' : 'command';
    const wrong = forms.filter((form) => readLine(form).kind !== wanted);
    return [
      ...wrong.map((form) => `'${form}' is ${wanted === 'later' ? 'obeyed by now' : 'not obeyed'}`),
      ...complaintsAbout(word, entry, (script) => hasCommand(word, script)),
    ];
  });
  expect(complaints, HOW).toEqual([]);
});

test('what else is promised names its tests', () => {
  const complaints = Object.entries(OTHER_ENTRIES).flatMap(([name, entry]) => complaintsAbout(name, entry, () => true));
  expect(complaints, HOW).toEqual([]);
});

test('a line that names what is not there is found', () => {
  const entry = (...tests: readonly string[]): Entry => ({ state: 'same', text: '', tests });
  expect(complaintsAbout('-x', entry(), () => true)).toHaveLength(1);
  expect(complaintsAbout('-x', entry('E999'), () => true)).toHaveLength(1);
  expect(complaintsAbout('-x', entry('E1'), () => false)).toHaveLength(1);
  expect(complaintsAbout('-x', entry('test/nowhere.ts: a'), () => true)).toHaveLength(1);
  expect(
    complaintsAbout('-x', entry('test/compatibility/compatibility.test.ts: nobody says this'.slice(0, -1)), () => true),
  ).toHaveLength(1);
});

test('the page is what the table gives', () => {
  const fresh = compatibilityPage();
  if (process.env['PEN_WRITE'] !== undefined) writeFileSync(PAGE, fresh);
  else expect(readFileSync(PAGE, 'utf8'), `docs/compatibility.md is stale: ${HOW}`).toBe(fresh);
});
