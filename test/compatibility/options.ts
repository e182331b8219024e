/** The state of each option of the original. */
import { better, later, same, strict, type Entry } from './entry.ts';

const REFUSED = 'src/cli/arguments.test.ts: -%s is known, but not yet done';
const BACKGROUND = 'test/start/background.test.ts';
const PRIVILEGES = 'test/privileges/rights.test.ts';

export const OPTION_ENTRIES: Readonly<Record<string, Entry>> = {
  B: better('the word is read strictly; a client that is denied never gets the emergency server', 'E37', 'E40'),
  C: better(
    "an address that cannot be ends the start; a socket is its owner's alone (mode 0600) and goes away at the end",
    'S-unix',
    'S-control-bad',
    "test/control/socket.test.ts: C3: is its owner's alone, and gone when Pen is",
  ),
  F: better(
    'all mistakes of a file are told, with file and line, and end the start; a file that is not there does too',
    'E51',
    'test/files/start.test.ts: with mistakes is refused with all of them',
    'test/files/start.test.ts: that is not there is refused with its name',
  ),
  H: later('HTTP', REFUSED),
  O: better(
    'a command that cannot be obeyed ends the start; no option depends on its place',
    'S-O',
    'S-O-bad',
    'S-O-limits',
  ),
  P: same('S-P'),
  T: strict('X-tracking', 'E47'),
  U: later('UDP', REFUSED),
  W: better('warns when no server has a weight', 'E14', 'S-weights'),
  X: same('X-exit-x'),
  a: better(
    'a line break is a dot, too, so that nobody else writes a line of ours',
    'src/cli/arguments.test.ts: %j is short for commands',
    'test/control/dumps.test.ts: the same bytes make the same lines of $style',
  ),
  b: strict('S-last', 'S-number', 'E30'),
  c: better('strict numbers; forgets exactly the client that was away longest', 'S-sizes', 'E48'),
  d: better(
    'tells what a person can use, and nothing when all goes well; dumps are in pieces of at most 1024 bytes, each behind a line that tells whose it is, and never keep traffic waiting: what is too much is counted instead; an end is not dumped as a piece without bytes',
    'X-debug-option',
    'test/control/dumps.test.ts: the same bytes make the same lines of $style',
    'test/control/dumps.test.ts: that are too many are dropped and counted, and nobody waits for whoever reads them',
    'test/control/dumps.test.ts: show every byte once, each with the connection it is of',
    'test/control/dumps.test.ts: are not written anywhere',
  ),
  e: better('a limit of it is never exceeded', 'E29', 'E35'),
  f: same('S-last', 'S-term'),
  h: better(
    'all of the address counts; `-O "hash original"` has the formula of the original',
    'E8-default',
    'X-mode-options',
  ),
  i: later('a service of Windows', 'S-i'),
  j: better(
    'is the current folder as well; says which step is not possible, and ends the start',
    'S-jail-none',
    `${PRIVILEGES}: V1: every thread is the user, in the jail, without capabilities and without a way to any; clients are served`,
    `${PRIVILEGES}: a worker that fails is replaced in the jail, where no file of Pen is, and has no rights either`,
  ),
  l: better(
    'lines are there within a second; what is no printable ASCII is a dot; a link is not followed; IPv6 and names',
    'test/logs/request-log.test.ts: the lines are those of the original',
    'test/logs/request-log.test.ts: datagrams are those of the original',
    'test/logs/request-log.test.ts: L4: no line is lost or torn while the file is renamed and begun anew',
  ),
  m: better('strict numbers; below 1 is refused', 'S-small', 'src/cli/arguments.test.ts: %j is short for commands'),
  o: same('S-O'),
  p: better(
    'one holder; a file that holds anything but a number is left alone, and a link is not followed',
    'S-pidfile',
    'S-pidfile-bad',
    `${BACKGROUND}: a pid file has one holder: a second Pen is refused by name of the first, which goes on and removes its file`,
  ),
  q: better(
    'strict numbers; small ones are taken as they are',
    'S-backlog',
    'src/cli/arguments.test.ts: %j is short for commands',
  ),
  r: same('E1', 'S-last'),
  s: same('E32', 'E34'),
  t: better('strict numbers; a timer for each connect', 'S-timeout', 'E49'),
  u: better(
    'gives up the groups of root, and every way back; no step is left out in silence',
    'S-user-unknown',
    `${PRIVILEGES}: V1: every thread is the user, in the jail, without capabilities and without a way to any; clients are served`,
    `${PRIVILEGES}: writes its pid file where the user may, and takes it away; its sockets stay root's and are taken over`,
  ),
  w: better(
    'a page in HTML of today, written in one step and through no link',
    'test/control/statistics.test.ts: the customary line of a cron table has the page written, as a whole and anew',
  ),
  x: better(
    'strict numbers; no cap of 507; one address leaves room for others (`source_max`)',
    'S-sizes',
    'one-source',
  ),
  E: later('TLS', REFUSED),
  K: later('TLS', REFUSED),
  G: later('TLS', REFUSED),
  A: later('TLS', REFUSED),
  R: later('TLS', REFUSED),
  Z: later('TLS', REFUSED),
  L: later('TLS', REFUSED),
  D: same('S-obsolete'),
  Q: same('S-obsolete'),
  n: same('S-obsolete'),
  S: same('S-obsolete'),
  N: better('is unknown, so exit code 1', 'S-N'),
};
