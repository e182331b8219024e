/** What else scripts rely on: signals, exit codes, the control protocol, penctl. */
import { better, same, type Entry } from './entry.ts';

export const OTHER_ENTRIES: Readonly<Record<string, Entry>> = {
  'options anywhere, bundled, glued to their words; `--`': same('S-last', 'S-glued'),
  'a server as `host:port:max:hard:weight:prio`': better(
    'a field that cannot be, or is too many, ends the start',
    'S-server-forms',
    'S-server-port',
    'S-server-more',
  ),
  'the listen address': better(
    'a second pen on the same port fails; port 0 is any free one',
    'S-port',
    'S-twice',
    'S-port-zero',
  ),
  'a unix socket to listen on': better('a file that is no socket is left alone', 'S-unix', 'S-unix-acl', 'S-unix-file'),
  'start in the background': better('the exit code says whether it serves', 'S-background', 'S-background-taken'),
  'exit codes': better('0 for `--help` and no word at all; 1 for every mistake', 'S-nothing', 'S-unknown', 'S-missing'),
  SIGTERM: same('S-term'),
  SIGINT: better('stops as by SIGTERM', 'S-int'),
  SIGHUP: better(
    'a file with mistakes changes nothing; what the file no longer says is undone',
    'S-hup',
    'F-hup',
    'F-hup-bad',
    'F-hup-less',
    'test/files/reload.test.ts: the file is obeyed as a difference: who is there stays, who comes goes where it says now',
  ),
  SIGUSR1: same('S-usr1'),
  SIGUSR2: same('S-usr2'),
  SIGPIPE: same('S-pipe'),
  'a line of the control protocol': better(
    'a tab is a space; a line may come in pieces, and have 64 KiB',
    'X-lines',
    'X-unknown',
    'test/control/peers.test.ts: a command in pieces is one command',
  ),
  'a peer of the control socket that stalls': better(
    'is dropped; nobody waits for it',
    'test/control/peers.test.ts: C1: traffic goes on beside a hundred peers that stall and others that talk nonsense',
  ),
  'penctl: replies, usage, exit codes': better(
    'a command may have 64 KiB',
    'P-replies',
    'P-usage',
    'P-errors',
    'P-long',
  ),
};
