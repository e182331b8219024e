/** The completion of the three shells, by the shells themselves. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { LONG_OPTIONS, OPTIONS } from '../../src/cli/options.ts';
import { COMMANDS } from '../../src/config/commands.ts';
import { needs } from '../support/skip.ts';

const FOLDER = fileURLToPath(new URL('../../packaging/completion', import.meta.url));
const LIMIT_MS = 20_000;
const work = mkdtempSync(join(tmpdir(), 'pen-complete-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const ALL = [...COMMANDS.map(({ name }) => name), 'no'].sort();
const SWITCHES = COMMANDS.filter(({ no }) => no)
  .map(({ name }) => name)
  .sort();
const beginning = (words: readonly string[], with_: string): string[] => words.filter((word) => word.startsWith(with_));

/** What is written so far, and what all shells propose for its end. */
const LINES: readonly (readonly [string, readonly string[]])[] = [
  ['penctl 127.0.0.1:8888 ', ALL],
  ['penctl /run/pen.ctl ser', ['server', 'servers']],
  ['penctl --j', ['--json']],
  ['penctl --json /run/pen.ctl ser', ['server', 'servers']],
  ['penctl [::1]:8888 no ', SWITCHES],
  ['penctl /run/pen.ctl no tcp', beginning(SWITCHES, 'tcp')],
  ['penctl /run/pen.ctl tcp_fastclose ', ['both', 'down', 'off', 'up']],
  ['penctl /run/pen.ctl acl 3 d', ['deny']],
  ['penctl /run/pen.ctl server 0 ma', ['max']],
  ['penctl /run/pen.ctl server 0 max 5 ha', ['hard']],
  ['penctl /run/pen.ctl server 0 max 5 hard 7 we', ['weight']],
  ['penctl /run/pen.ctl help ser', ['server', 'servers']],
  ['penctl /run/pen.ctl farm web ser', ['server', 'servers']],
  ['penctl /run/pen.ctl farm web conn_m', []],
  ['penctl /run/pen.ctl farm web no tcp_n', []],
  ['penctl /run/pen.ctl farm web no has', ['hash']],
  ['penctl /run/pen.ctl farm web server 0 ma', ['max']],
  ['penctl /run/pen.ctl nonsense x', []],
];

/** Runs a shell; what it says must be good. */
function run(command: string, args: readonly string[], input = ''): string {
  const result = spawnSync(command, args, { encoding: 'utf8', cwd: work, timeout: LIMIT_MS, input });
  expect({ status: result.status, error: result.error }, result.stderr).toEqual({ status: 0, error: undefined });
  return result.stdout;
}

/** Proposals of several lines: each begins with a line `>`. */
function answersIn(output: string): string[][] {
  const [, ...answers] = output.split(/^>.*\n/m);
  return answers.map((answer) => [...new Set(answer.split('\n').filter((line) => line !== ''))].sort());
}

needs({ packages: ['bash'] }, 'bash', () => {
  const file = join(FOLDER, 'pen.bash');
  const ask = (lines: readonly string[]): string[][] =>
    answersIn(
      run('bash', [
        '--norc',
        '-c',
        `source "$1"; shift
for COMP_LINE in "$@"; do
  COMP_POINT=\${#COMP_LINE}
  echo ">"
  program=\${COMP_LINE%% *}
  "_$program" "$program" 2>/dev/null
  [ \${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"
done; true`,
        'bash',
        file,
        ...lines,
      ]),
    );

  test('proposes commands, switches, words and keys', () => {
    expect(ask(LINES.map(([line]) => line))).toEqual(LINES.map(([, proposals]) => proposals));
  });

  test('proposes options of pen, and commands behind -O', () => {
    const [letters, commands] = ask(['pen -', 'pen -r -O tcp_']);
    const helped = OPTIONS.filter(({ help }) => help !== undefined).map(({ letter }) => `-${letter}`);
    expect(letters).toEqual([...helped, ...LONG_OPTIONS.map(({ word }) => word)].sort());
    expect(commands).toEqual(beginning(ALL, 'tcp_'));
  });

  needs({ packages: ['bsdutils'] }, 'at a terminal', () => {
    test('completes what is typed, also behind an address with colons, and files where they belong', () => {
      writeFileSync(join(work, 'control-socket'), '');
      const typed = [
        `source ${file}`,
        'penctl() { printf "<%s>" "$@"; echo; }',
        'penctl 127.0.0.1:8888 tcp_f\tu\t',
        'penctl [::1]:8888 no abort\t',
        'penctl control-s\tpi\t',
        'exit 0',
      ];
      const input = typed.map((line) => `${line}\n`).join('');
      const output = run('script', ['-qec', 'TERM=dumb bash --norc --noprofile -i', '/dev/null'], input);
      expect(output).toContain('<127.0.0.1:8888><tcp_fastclose><up>');
      expect(output).toContain('<[::1]:8888><no><abort_on_error>');
      expect(output).toContain('<control-socket><pid>');
    });
  });
});

needs({ packages: ['zsh'] }, 'zsh', () => {
  test('proposes commands, switches, words and keys', () => {
    // A terminal of its own, in which a widget tells what completion would insert.
    const script = `
zmodload zsh/zpty
zpty z TERM=dumb zsh -f -i
zpty -w z 'PROMPT= RPROMPT=; unsetopt zle_bracketed_paste auto_list auto_menu beep; fpath=(${FOLDER} $fpath)'
zpty -w z 'autoload -Uz compinit; compinit -u -D; zstyle ":completion:*" verbose no'
zpty -w z 'compadd() { local -a out; builtin compadd -O out "$@"; (( $#out )) && print -rl -- $out >>proposals; builtin compadd "$@" }'
zpty -w z 'ask() { print ">" >>proposals; zle complete-word; zle kill-buffer; print "" >>answered }; zle -N ask; bindkey "^I" ask'
: >answered
for line in "$@"; do
  asked=$(wc -l <answered)
  zpty -n -w z "$line"$'\\t'
  until (( $(wc -l <answered) > asked )); do sleep 0.01; done
done
zpty -d z
cat proposals`;
    writeFileSync(join(work, 'ask.zsh'), script);
    const lines = LINES.map(([line]) => line);
    expect(answersIn(run('zsh', ['-f', 'ask.zsh', ...lines]))).toEqual(LINES.map(([, proposals]) => proposals));
  });
});

needs({ packages: ['fish'] }, 'fish', () => {
  const ask = (lines: readonly string[]): string[][] => {
    const asked = lines.map((line) => `echo '>'; complete -C '${line}'`).join('\n');
    const output = run('fish', ['--no-config', '-c', `set fish_complete_path ${FOLDER} $fish_complete_path\n${asked}`]);
    return answersIn(output.replace(/\t.*$/gm, ''));
  };

  test('proposes commands, switches, words and keys', () => {
    expect(ask(LINES.map(([line]) => line))).toEqual(LINES.map(([, proposals]) => proposals));
  });

  test('proposes options of pen, and commands behind -O', () => {
    const [letters, commands] = ask(['pen -', 'pen -r -O tcp_']);
    expect(letters).toEqual(expect.arrayContaining(['-r', '-O', ...LONG_OPTIONS.map(({ word }) => word)]));
    expect(commands).toEqual(beginning(ALL, 'tcp_'));
  });
});
