/** The manual pages, written from the registries of options and commands. */
import { noSyntaxOf, SUBJECTS, syntaxOf, type Command } from '../config/command.ts';
import { COMMANDS } from '../config/commands.ts';
import { isOff, LATER_WORDS } from '../config/commands/later.ts';
import { LONG_OPTIONS, OPTIONS, type Option } from './options.ts';
import { bold, example, form, item, marked, paragraph, plain, section, subsection, wrapped } from './roff.ts';

/** When somebody last read them from top to bottom. */
const DATE = '2026-11-27';

/** What each page begins with. */
export function head(name: string, version: string): string {
  return `.\\" Written from the options and commands of Pen: npm run reference writes it again.
.TH ${name} 1 ${DATE} "pen ${version}" "User Commands"
`;
}

/** pen(1). */
export function penManual(version: string): string {
  const obsolete = OPTIONS.filter(({ isObsolete }) => isObsolete).map(({ letter }) => `-${letter}`);
  const later = OPTIONS.filter(({ isLater }) => isLater).map(({ letter }) => `-${letter}`);
  return [
    head('PEN', version),
    section('NAME', 'pen \\- load balancer for TCP connections\n'),
    section('SYNOPSIS', synopsis('pen', '[options] [host:]port|/path server [server ...]')),
    section('DESCRIPTION', paragraph(DESCRIPTION), paragraph(BACKGROUND)),
    section(
      'OPTIONS',
      paragraph(ORDER),
      ...OPTIONS.filter(({ isLater, isObsolete }) => !isLater && !isObsolete).map(option),
      longOptions(),
    ),
    listed('NOT IN THIS VERSION', 'These are refused by name, because a later version will have them:', later),
    listed('OBSOLETE', 'These are accepted, and have no effect:', obsolete),
    section('SERVERS', paragraph(SERVERS)),
    section('SIGNALS', ...SIGNALS.map(([name, meaning]) => item(bold(name), marked(meaning)))),
    section('EXIT STATUS', ...STATUS.map(([code, meaning]) => item(bold(code), marked(meaning)))),
    section('EXAMPLES', ...EXAMPLES.map(([text, ...lines]) => paragraph(text) + example(...lines))),
    section('SEE ALSO', '.BR penctl (1),\n.BR penlogd (1),\n.BR mergelogs (1)\n'),
  ].join('');
}

/** penctl(1), which has the commands. */
export function penctlManual(version: string): string {
  const chapters = Object.entries(SUBJECTS).map(([subject, title]) =>
    subsection(title, ...COMMANDS.filter((command) => command.subject === subject).map(describe)),
  );
  return [
    head('PENCTL', version),
    section('NAME', 'penctl \\- ask and change a running pen\n'),
    section('SYNOPSIS', synopsis('penctl', '[--json] host:port|/path/to/socket command [word ...]')),
    section('DESCRIPTION', ...PENCTL.map(paragraph)),
    section('COMMANDS', ...LANGUAGE.map(paragraph), ...chapters),
    listed(
      'NOT IN THIS VERSION',
      'These are known, and answered by that:',
      [...LATER_WORDS].filter((word) => !isOff(word)).sort(),
    ),
    section('EXIT STATUS', item(bold('0'), 'Pen has answered, whatever it was.'), item(bold('1'), marked(UNANSWERED))),
    section('EXAMPLES', ...CONTROL_EXAMPLES.map(([text, ...lines]) => paragraph(text) + example(...lines))),
    section('SEE ALSO', '.BR pen (1),\n.BR webstats (1)\n'),
  ].join('');
}

function synopsis(name: string, rest: string): string {
  return `.B ${name}\n${plain(rest)}\n`;
}

/** A section of names, or none where there are no names. */
function listed(title: string, text: string, names: readonly string[]): string {
  return names.length === 0 ? '' : section(title, wrapped(`${plain(text)} ${names.map(bold).join(', ')}.`));
}

function option({ letter, argument, help, command }: Option): string {
  const name = bold(`-${letter}`);
  const meaning =
    help ?? COMMANDS.find((each) => each.name === command)?.help ?? `the same as -${letter.toUpperCase()}`;
  const same = command === undefined ? [] : [marked(`Short for the command \`${command}\`.`)];
  return item(argument === undefined ? name : `${name} \\fI${argument}\\fR`, `${marked(capital(meaning))}.`, ...same);
}

function longOptions(): string {
  return LONG_OPTIONS.map(({ word, argument, help }) => {
    const name = argument === undefined ? bold(word) : `${bold(word)} \\fI${argument}\\fR`;
    return item(name, `${marked(capital(help))}.`);
  }).join('');
}

function describe(command: Command): string {
  const forms = [syntaxOf(command), noSyntaxOf(command)].filter((written) => written !== undefined);
  const words = command.parameters.map(({ label, help }) => `${form(label)}: ${plain(help)}.`);
  const more = command.more === undefined ? [] : [marked(command.more)];
  return item(forms.map(form).join(', '), `${plain(command.help)}.`, ...more, ...words);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const DESCRIPTION = `Pen takes connections where it listens, and gives each to one of several servers, so that they appear as
one. A server that refuses or does not answer is passed over for a while, and its clients are given to others within
the same connection. A client comes back to the server that it had, unless \`-r\` is given.`;
const BACKGROUND = `Pen runs in the background, and returns when clients are served, or with a message when they cannot
be. With \`-f\` it stays in the foreground. It is asked and changed while it runs by penctl(1).`;
const ORDER = `Options may stand anywhere, and several letters behind one hyphen. Of an option that is given more than
once the last one counts. Most are short for a command of penctl(1), which has the details.`;
const SERVERS = `A server is written as \`host[:port[:max[:hard[:weight[:prio]]]]]\`, with an IPv6 address in brackets, or
as the path of a unix socket. Without a port it has that of the listen address. \`max\` is the number of connections
beyond which it gets no new clients, \`hard\` the same for clients that had it before; 0 is no limit. Servers have
numbers from 0 on, in their order.`;

const SIGNALS: readonly (readonly [string, string])[] = [
  ['TERM, INT', 'End: connections are reset, pid file and unix sockets are removed.'],
  ['HUP', 'Read files again.'],
  ['USR1', 'Write the page of `-w`; without it, tell how things stand.'],
  ['USR2', 'Abort, for whoever wants to look into a core.'],
];

const STATUS: readonly (readonly [string, string])[] = [
  ['0', 'Clients are served, in the background; or Pen was told to end, and has.'],
  ['1', 'It cannot start, or cannot go on. The reason is one line on standard error, or in the system log.'],
  ['134', 'It was aborted, by USR2 or after an error because of `abort_on_error`.'],
];

const EXAMPLES: readonly (readonly [string, ...string[]])[] = [
  ['Two web servers behind port 80; clients keep their server:', 'pen 80 www1:8000 www2:8000'],
  [
    'In turn, in the foreground, with at most ten connections for the first server, and a socket for penctl(1):',
    'pen -f -r -C /run/pen.ctl 80 www1:8000:10 www2:8000',
  ],
  ['Three times as much for one server as for the other:', 'pen -W -r 80 www1:8000:0:0:3 www2:8000:0:0:1'],
];

const PENCTL: readonly string[] = [
  `Sends a command to a running pen(1) and prints its answer. The address is that of the option \`-C\` of pen: a host and
port, or the path of a unix socket. All words behind it are the command.`,
  `With \`--json\` in front of the address, or of the command, the answer is a JSON document. The page about commands has all
its fields.`,
  `Whoever reaches the control socket controls Pen. A unix socket belongs to the user who started it; for a TCP port there
is \`control_acl\`.`,
];

const LANGUAGE: readonly string[] = [
  `A line is one command. Words are separated by spaces or tabs; words beyond those that a command takes are ignored. A
line that is empty, or begins with \`#\`, says nothing. Numbers are decimal.`,
  `What is wrong changes nothing. A command that answers with a value then answers with the one in force; one that only
obeys answers with a line that begins with its name and says what would be right.`,
];

const UNANSWERED = 'There was nobody to ask, or the answer did not come. The reason is one line on standard error.';

const CONTROL_EXAMPLES: readonly (readonly [string, ...string[]])[] = [
  ['Which servers there are, and what they do:', 'penctl /run/pen.ctl servers'],
  ['The same for programs:', 'penctl --json /run/pen.ctl servers'],
  ['Give no new clients to server 1 for an hour:', 'penctl /run/pen.ctl server 1 blacklist 3600'],
  [
    'Let only one network in:',
    'penctl /run/pen.ctl acl 1 permit 192.0.2.0 255.255.255.0',
    'penctl /run/pen.ctl client_acl 1',
  ],
];
