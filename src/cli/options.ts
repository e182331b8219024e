/**
 * The options of the command line, one entry each: what it takes, what it means, and which command of the language
 * it stands for. Usage text and reading are made from this table.
 */

/** An option and what it does. */
export interface Option {
  readonly letter: string;
  /** What its argument is called; without one the option takes none. */
  readonly argument?: string;
  /** For the usage text; `later`, `obsolete` and doubled options are not in it. */
  readonly help?: string;
  /** The command that the option is short for; its argument is put behind it. */
  readonly command?: string;
  /** Why the option is refused: a later version will know it. */
  readonly isLater?: true;
  /** Accepted and without effect; said on standard error. */
  readonly isObsolete?: true;
}

/** In the order of the usage text. Options with none of the marks are read by `arguments.ts` by their letter. */
export const OPTIONS: readonly Option[] = [
  { letter: 'r', command: 'roundrobin', help: 'round robin: clients are not tracked' },
  { letter: 'W', command: 'weight', help: 'choose servers by weight' },
  { letter: 'h', command: 'hash', help: "choose by the client's address, with -r also by its port" },
  { letter: 's', command: 'stubborn', help: 'end the client when its server fails, try no other' },
  { letter: 'b', argument: 'SEC', command: 'blacklist', help: 'pass over a failed server for SEC seconds [30]' },
  { letter: 't', argument: 'SEC', command: 'timeout', help: 'give a connect up after SEC seconds [3]' },
  { letter: 'T', argument: 'SEC', command: 'tracking', help: 'remember clients for SEC seconds, 0 for ever [0]' },
  { letter: 'c', argument: 'N', command: 'clients_max', help: 'remember at most N clients [2048]' },
  { letter: 'x', argument: 'N', command: 'conn_max', help: 'connections at once [500]' },
  { letter: 'm', argument: 'N', command: 'accept_batch', help: 'connections accepted per wake-up [100]' },
  { letter: 'q', argument: 'N', command: 'backlog', help: "clients that may wait in the kernel's backlog [500]" },
  { letter: 'e', argument: 'SERVER', help: 'emergency server, used when no other can be reached' },
  { letter: 'B', argument: 'SERVER', help: 'abuse server, for clients that client_acl denies' },
  { letter: 'C', argument: 'ADDRESS', help: 'control socket: [host:]port or /path' },
  { letter: 'X', help: 'allow the control command exit' },
  { letter: 'O', argument: 'COMMAND', help: "run a control command, as in -O 'idle_timeout 60'" },
  { letter: 'o', argument: 'COMMAND' },
  { letter: 'F', argument: 'FILE', help: 'obey the commands in FILE, again on SIGHUP' },
  { letter: 'p', argument: 'FILE', help: 'write the process id to FILE' },
  { letter: 'w', argument: 'FILE', command: 'web_stats', help: 'write the status page to FILE on USR1' },
  { letter: 'l', argument: 'FILE', command: 'log', help: 'log requests to FILE, or to penlogd at host:port' },
  { letter: 'u', argument: 'USER', help: 'run as USER once the ports are open' },
  { letter: 'j', argument: 'DIR', help: 'make DIR the root directory, a jail (chroot)' },
  { letter: 'd', help: 'debugging on; -ddd dumps what is transferred' },
  { letter: 'a', command: 'ascii', help: 'dumps show text instead of numbers' },
  { letter: 'f', help: 'stay in the foreground' },
  { letter: 'P', command: 'poll' },
  { letter: 'D', isObsolete: true },
  { letter: 'Q', isObsolete: true },
  { letter: 'n', isObsolete: true },
  { letter: 'S', argument: 'N', isObsolete: true },
  { letter: 'U', isLater: true },
  { letter: 'E', argument: 'FILE', isLater: true },
  { letter: 'K', argument: 'FILE', isLater: true },
  { letter: 'G', argument: 'FILE', isLater: true },
  { letter: 'A', argument: 'DIR', isLater: true },
  { letter: 'R', isLater: true },
  { letter: 'Z', isLater: true },
  { letter: 'L', argument: 'PROTOCOL', isLater: true },
  { letter: 'H', isLater: true },
  { letter: 'i', argument: 'NAME', isLater: true },
];

/** An option with a whole word for a name. */
export interface LongOption {
  readonly word: string;
  readonly argument?: string;
  readonly help: string;
}

export const LONG_OPTIONS: readonly LongOption[] = [
  { word: '--check', argument: 'FILE', help: 'check such a file, with the rest of the line, and start nothing' },
  { word: '--help', help: 'tell how pen is used' },
  { word: '--version', help: 'tell the version' },
];

const COLUMN = 15;

function helpLine(name: string, { argument, help }: Pick<Option, 'argument' | 'help'>): string {
  const left = `  ${name}${argument === undefined ? '' : ` ${argument}`}`;
  return `${left.padEnd(COLUMN - 1)} ${help ?? ''}\n`;
}

/** At most 80 columns wide. */
export const USAGE = `usage: pen [options] [host:]port|/path server [server ...]

A server is host[:port[:max[:hard[:weight[:prio]]]]], [ipv6]:port... or /path...
Without a port it has that of the first address, on which Pen listens.

${OPTIONS.filter(({ help }) => help !== undefined)
  .map((option) => helpLine(`-${option.letter}`, option))
  .join('')}${LONG_OPTIONS.map((option) => helpLine(option.word, option)).join('')}
Examples:
  pen 80 www1:8000 www2:8000       in the background; clients keep their server
  pen -f -r -C /run/pen.ctl 80 www1:8000:10 www2:80:10 www3
  penctl /run/pen.ctl help         what can be asked and changed while it runs
`;
