/** Completion for fish. */
import {
  COMMAND_WORDS,
  FARM_NO_WORDS,
  GENERATED,
  NO_WORDS,
  POSITIONS,
  PROPOSED_OPTIONS,
  wantedBy,
  type Position,
  type Wanted,
  type Word,
} from './positions.ts';
import { LONG_OPTIONS, type Option } from '../options.ts';

const ARGUMENT: Readonly<Record<Wanted, string>> = {
  command: " -x -a '(__pen_commands)'",
  file: ' -r -F',
  folder: " -x -a '(__fish_complete_directories)'",
  user: " -x -a '(__fish_complete_users)'",
  host: " -x -a '(__fish_print_hostnames)'",
  text: ' -x',
};

/** Two files, because fish finds a completion by the name of its program. */
export function fishCompletion(): Readonly<Record<'pen' | 'penctl', string>> {
  return { pen: penFile(), penctl: penctlFile() };
}

function penFile(): string {
  return `# Completion of pen for fish. ${GENERATED}

${commandsFunction()}
complete -c pen -f -a '(__fish_print_hostnames)'
${PROPOSED_OPTIONS.map((option) => proposal(`-s ${option.letter}`, option)).join('')}${LONG_OPTIONS.map((option) => proposal(`-l ${option.word.slice(2)}`, option)).join('')}`;
}

function proposal(name: string, option: Pick<Option, 'argument' | 'help'>): string {
  const wanted = wantedBy(option);
  return `complete -c pen ${name} -d '${escaped(option.help ?? '')}'${wanted === undefined ? '' : ARGUMENT[wanted]}\n`;
}

function penctlFile(): string {
  return `# Completion of penctl for fish. ${GENERATED}

${commandsFunction()}
# Prints the words that are written, the wish for JSON left out.
function __penctl_words
    string match -v -- --json (commandline -opc)
end

# Prints what may follow the words of a command.
function __penctl_follow
    set -l words (__penctl_words)[3..-1]
    if test (count $words) -eq 0
        __pen_commands
        return
    end
    if test (count $words) -gt 2; and test "$words[1]" = farm
        if test "$words[3..-1]" = no
${printed(FARM_NO_WORDS, 12)}            return
        end
        set -e words[1..2]
    end
    set -l command $words[1]
    if test "$command" = no
        if test (count $words) -eq 1
${printed(NO_WORDS, 12)}            return
        end
        set command "no $words[2]"
        set -e words[1]
    end
    set -e words[1]
    switch "$command "(count $words)
${POSITIONS.map(caseOf).join('')}    end
end

complete -c penctl -n 'test (count (__penctl_words)) -eq 1' -F
complete -c penctl -n 'test (count (__penctl_words)) -eq 1' -l json -d 'answer with a JSON document'
complete -c penctl -n 'test (count (__penctl_words)) -gt 1' -f -a '(__penctl_follow)'
`;
}

function commandsFunction(): string {
  return `function __pen_commands
${printed(COMMAND_WORDS, 4)}end
`;
}

function printed(words: readonly Word[], indent: number): string {
  return words.map(({ word, help }) => `${' '.repeat(indent)}echo '${word}'\\t'${escaped(help)}'\n`).join('');
}

function caseOf({ keys, words }: Position): string {
  const found = words.length === 0 ? '__fish_complete_path (commandline -ct)' : `printf '%s\\n' ${words.join(' ')}`;
  return `        case ${keys.map((key) => `'${key}'`).join(' ')}\n            ${found}\n`;
}

function escaped(text: string): string {
  return text.replace(/[\\']/g, '\\$&');
}
