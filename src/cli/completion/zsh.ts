/** Completion for zsh. */
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

const ACTION: Readonly<Record<Wanted, string>> = {
  command: '_pen_commands',
  file: '_files',
  folder: '_files -/',
  user: '_users',
  host: '_hosts',
  text: ' ',
};

/** A file `_pen` in one of the folders of `fpath`. */
export function zshCompletion(): string {
  return `#compdef pen penctl
# Completion of pen and penctl for zsh. ${GENERATED}

${describing('commands', COMMAND_WORDS)}${describing('switches', NO_WORDS)}${describing('farm_switches', FARM_NO_WORDS)}# Proposes what may follow the words of a command.
_pen_follow() {
  if [[ $# -gt 2 && $1 == farm ]]; then
    if [[ $# -eq 3 && $3 == no ]]; then
      _pen_farm_switches
      return
    fi
    shift 2
  fi
  local command=$1
  case $# in
  0) _pen_commands; return ;;
  esac
  if [[ $1 == no ]]; then
    if (( $# == 1 )); then
      _pen_switches
      return
    fi
    command="no $2"
    shift
  fi
  shift
  case "$command $#" in
${POSITIONS.map(caseOf).join('')}  *) _message 'a number, an address or a name' ;;
  esac
}

_pen_control() {
  local -a rest=("\${(@)words[2,CURRENT - 1]}")
  while [[ $rest[1] == --json ]]; do
    shift rest
  done
  if (( $#rest )); then
    _pen_follow "\${(@)rest[2,-1]}"
  elif [[ $words[CURRENT] == -* ]]; then
    compadd -- --json
  else
    _alternative 'sockets:control socket:_files' 'hosts:host and port:_hosts -S :'
  fi
}

_pen_program() {
  _arguments -s -S : \\
${PROPOSED_OPTIONS.map((option) => `    '*-${option.letter}[${escaped(option.help ?? '')}]${argumentOf(option)}' \\\n`).join('')}${LONG_OPTIONS.map((option) => `    '${option.argument === undefined ? '(- *)' : ''}${option.word}[${escaped(option.help)}]${argumentOf(option)}' \\\n`).join('')}    '*:address:_hosts'
}

case $service in
penctl) _pen_control ;;
*) _pen_program ;;
esac
`;
}

/** A function that proposes words. */
function describing(name: string, words: readonly Word[]): string {
  return `_pen_${name}() {
  local -a known=(
${described(words)}  )
  _describe command known
}

`;
}

function described(words: readonly Word[]): string {
  return words.map(({ word, help }) => `    '${escaped(word)}:${escaped(help)}'\n`).join('');
}

/** Within single quotes, and within a description of zsh. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", `'\\''`);
}

function argumentOf(option: Pick<Option, 'argument'>): string {
  const wanted = wantedBy(option);
  return wanted === undefined ? '' : `:${escaped(option.argument ?? '')}:${ACTION[wanted]}`;
}

function caseOf({ keys, words }: Position): string {
  const found = words.length === 0 ? '_files' : `compadd - ${words.join(' ')}`;
  return `  ${keys.map((key) => `'${key}'`).join(' | ')}) ${found} ;;\n`;
}
