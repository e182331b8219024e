/** Completion for bash. */
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
import { LONG_OPTIONS } from '../options.ts';

/** How each of them is found; a file by what bash does by default. */
const FOUND: Readonly<Record<Wanted, string>> = {
  command: `_pen_propose "$(_pen_commands)"`,
  file: 'compopt -o default',
  folder: 'compopt -o dirnames',
  user: 'COMPREPLY=($(compgen -u -- "$cur"))',
  host: 'COMPREPLY=($(compgen -A hostname -- "$cur"))',
  text: ':',
};

/** Sourced by a shell, or put where bash-completion looks, under the names pen and penctl. */
export function bashCompletion(): string {
  return `# Completion of pen and penctl for bash. ${GENERATED}
${commands()}${CUT}${programs()}
complete -F _pen pen
complete -F _penctl penctl
`;
}

/** What may be written of a command. */
function commands(): string {
  return `
_pen_commands() {
  echo '${listOf(COMMAND_WORDS)}'
}

# Proposes what may follow the words of a command.
_pen_follow() {
  if [ $# -eq 0 ]; then
    _pen_propose "$(_pen_commands)"
    return
  fi
  if [ $# -gt 2 ] && [ "$1" = farm ]; then
    if [ "$3 $#" = 'no 3' ]; then
      _pen_propose '${listOf(FARM_NO_WORDS)}'
      return
    fi
    shift 2
  fi
  local command=$1
  if [ "$1" = no ]; then
    if [ $# -eq 1 ]; then
      _pen_propose '${listOf(NO_WORDS)}'
      return
    fi
    command="no $2"
    shift
  fi
  shift
  case "$command $#" in
${POSITIONS.map(caseOf).join('')}  esac
}

`;
}

/** Proposes words; cuts a line. */
const CUT = `_pen_propose() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# Cuts the line into words, at blanks alone: bash would cut at the colons of addresses, too. Sets cur to the word that is
# being written, and words to those between it and the name of the program.
_pen_cut() {
  local line=\${COMP_LINE:0:COMP_POINT} program=$1
  read -ra words <<<"$line"
  cur=
  if [[ $line != *[[:space:]] ]]; then
    cur=\${words[\${#words[@]} - 1]}
    words=("\${words[@]:0:\${#words[@]} - 1}")
  fi
  while [ \${#words[@]} -gt 0 ] && [ "\${words[0]}" != "$program" ]; do
    words=("\${words[@]:1}")
  done
  words=("\${words[@]:1}")
}

`;

/** What may be written behind the names of the programs. */
function programs(): string {
  return `_penctl() {
  local cur words
  COMPREPLY=()
  _pen_cut "$1"
  while [ "\${words[0]}" = --json ]; do
    words=("\${words[@]:1}")
  done
  if [ \${#words[@]} -gt 0 ]; then
    _pen_follow "\${words[@]:1}"
  elif [[ $cur == -* ]]; then
    _pen_propose --json
  else
    compopt -o default
  fi
}

_pen() {
  local cur words last=
  COMPREPLY=()
  _pen_cut "$1"
  if [ \${#words[@]} -gt 0 ]; then
    last=\${words[\${#words[@]} - 1]}
  fi
  case "$last" in
${argumentCases()}  *)
    case "$cur" in
    -*) _pen_propose '${options()}' ;;
    *) COMPREPLY=($(compgen -A hostname -- "$cur")) ;;
    esac
    ;;
  esac
}
`;
}

function listOf(words: readonly Word[]): string {
  return words.map(({ word }) => word).join(' ');
}

function caseOf({ keys, words }: Position): string {
  const found = words.length === 0 ? FOUND.file : `_pen_propose '${words.join(' ')}'`;
  return `  ${keys.map((key) => `'${key}'`).join(' | ')}) ${found} ;;\n`;
}

/** One case for all options that want the same. */
function argumentCases(): string {
  return Object.entries(FOUND)
    .map(([wanted, found]) => {
      const named = [...PROPOSED_OPTIONS.map((option) => ({ ...option, word: `-${option.letter}` })), ...LONG_OPTIONS];
      const letters = named.filter((option) => wantedBy(option) === wanted).map(({ word }) => word);
      return letters.length === 0 ? '' : `  ${letters.join(' | ')}) ${found} ;;\n`;
    })
    .join('');
}

function options(): string {
  return [...PROPOSED_OPTIONS.map(({ letter }) => `-${letter}`), ...LONG_OPTIONS.map(({ word }) => word)].join(' ');
}
