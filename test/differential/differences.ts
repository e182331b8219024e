/**
 * Where Pen differs from Debian's pen 0.34.1 on purpose. Each entry is shown by a step of a script (`unlike`); the table
 * in `docs/differences.md` is this list.
 */

export interface Difference {
  /** What one does to see it. */
  readonly when: string;
  /** What Debian's pen does then. */
  readonly original: string;
  readonly ours: string;
  readonly why: string;
}

export const DIFFERENCES = {
  limits: {
    when: 'servers have limits (`max`, `hard`)',
    original:
      'counts a connection only when its connect ends, and uncounts also those it never counted, so limits leak',
    ours: 'counts from the attempt on, and each connection once: a limit is never exceeded',
    why: 'a limit that can be exceeded protects nothing',
  },
  refused: {
    when: 'a server refuses a connection, without `-P`',
    original: 'closes the client; neither blacklist nor another server',
    ours: 'tries the next server, as the original does with `-P`',
    why: 'this is what failover is for',
  },
  reset: {
    when: 'a server or a client resets its connection',
    original: 'the other side sees an orderly end',
    ours: 'the other side sees a reset',
    why: 'a reply that was cut short must not look complete',
  },
  'tracking-time': {
    when: 'a client comes back after the tracking time (`-T`)',
    original: 'still knows it, unless another client has taken its place',
    ours: 'chooses anew',
    why: 'the time is what was asked for',
  },
  forgotten: {
    when: 'the client table is full (`-c`), and clients come within the same second',
    original: 'forgets the first of those that came in the oldest second',
    ours: 'forgets the one that was away longest, exactly',
    why: 'who is busy should be remembered',
  },
  hash: {
    when: 'servers are chosen by hash (`-h`)',
    original: 'with 2, 4, 8 ... servers only the first byte of the address counts',
    ours: 'all of the address counts; `-O "hash original"` gives the choice of the original',
    why: 'clients of one network all got the same server',
  },
  denied: {
    when: 'a client is denied by `client_acl`, and there is an emergency but no abuse server',
    original: 'gets the emergency server',
    ours: 'is closed',
    why: 'denied is denied',
  },
  mask: {
    when: 'an entry of an access list has bits beyond its mask (`acl 2 permit 10.0.0.1 255.255.255.0`)',
    original: 'never matches',
    ours: 'means the network',
    why: 'that is what was meant',
  },
  'acl-errors': {
    when: 'an `acl` command cannot be understood',
    original: 'says nothing, or puts the entry into list 0',
    ours: 'answers with a line that begins with `acl: `, and changes nothing',
    why: 'a rule that is not there is dangerous',
  },
  'acl-names': {
    when: 'an access list has a name instead of a number (`acl office deny 10.0.0.1`)',
    original: 'puts the entry into list 0, which acts everywhere; `client_acl office` is list 0, too',
    ours: 'makes a list of that name, which acts where the name is used',
    why: 'ten numbers tell nobody what they are for',
  },
  empty: {
    when: 'there are server numbers that were never set',
    original: 'tries them in their turn, so the next server gets their clients',
    ours: 'passes them over',
    why: 'they are not servers',
  },
  'empty-text': {
    when: '`servers` tells about a number that was never set',
    original: '`addr (unknown address family 0`',
    ours: '`addr 0.0.0.0`',
    why: 'programs that read it stumble over the open bracket',
  },
  numbers: {
    when: 'a command is given a word that it cannot use (`blacklist abc`, `client_acl 10`, `server 0 max -2`)',
    original: 'takes what looks like a number at the beginning, else 0; too large ones wrap',
    ours: 'changes nothing; answers with the value in force, or what is wrong where there never is an answer',
    why: 'a slip of the finger must not switch something off',
  },
  'service-port': {
    when: 'a command sets the port of a server to the name of a service (`server 0 port http`)',
    original: 'takes it as 0, so that the server is not used',
    ours: 'takes it as the port of the service, as both do on the command line',
    why: 'that is what was meant',
  },
  tabs: {
    when: 'there is a tab in a command',
    original: 'takes it as part of a word',
    ours: 'takes it as a space',
    why: 'nobody sees the difference',
  },
  'timeout-zero': {
    when: '`timeout 0`',
    original: 'takes it, and needs a whole processor from then on',
    ours: 'keeps the timeout it had',
    why: 'a timeout is at least a second',
  },
  crashes: {
    when: 'a command lacks its word (`no acl`, `source`), or has one that nobody expected (`server 2000000000 port 1`)',
    original: 'crashes, or ends',
    ours: 'answers with a line that says what is wrong',
    why: 'a balancer must survive its operator',
  },
  'hash-word': {
    when: 'a word stands behind `hash`',
    original: 'ignores it',
    ours: 'knows the word `original`, and refuses others',
    why: 'a slip of the finger must not choose another formula',
  },
  help: {
    when: 'a command is one that only Pen has (`help`, `leastconn`, `source_max`, ...; see [compatibility](compatibility.md#only-here))',
    original: 'says that it ignores it',
    ours: 'obeys',
    why: 'there was room for it',
  },
  listen: {
    when: '`listen` names an address that cannot be opened',
    original: 'ends',
    ours: 'keeps its listener, and answers with its address',
    why: 'a balancer must survive its operator',
  },
  exit: {
    when: 'an option is unknown, lacks its word, or has one that it cannot use',
    original: 'prints its usage and exits with 0, or goes on with another value',
    ours: 'says which option it was and what would be right, and exits with 1',
    why: 'scripts and service managers must see that a start failed',
  },
  backlog: {
    when: 'fewer than 50 clients may wait to be accepted (`-q 10`)',
    original: 'makes it 50, and says so',
    ours: 'does as it is told',
    why: 'a short backlog tells clients early that they have to go elsewhere',
  },
  'port-zero': {
    when: 'the port of the listener is 0',
    original: 'prints an error and exits with 1',
    ours: 'takes any free port, and says which',
    why: 'this is what port 0 means elsewhere',
  },
  'no-server': {
    when: 'no server is named',
    original: 'starts, and closes every client',
    ours: 'says so, and exits with 1',
    why: 'it is a mistake in nearly all cases',
  },
  'server-text': {
    when: 'a server is written with a port, limit, weight or priority that cannot be, or with too many fields',
    original: 'takes what it can read, and 0 for the rest',
    ours: 'says which field it was, and exits with 1',
    why: 'a server that is never used should not go unnoticed',
  },
  'empty-field': {
    when: 'a server is written without port, but with limits (`www1::5`)',
    original: 'takes the port of the listener, and forgets the limits',
    ours: 'takes the port of the listener, and the limits',
    why: 'they were said',
  },
  weights: {
    when: 'choice is by weight (`-W`), and no server has a weight',
    original: 'serves nobody, and says nothing',
    ours: 'serves nobody, and says so at the start',
    why: 'it cannot be meant',
  },
  source: {
    when: 'one client address has nearly all connections (`-x`), as a proxy in front or a crowd behind one router has',
    original: 'serves it until there is none left for anybody',
    ours: 'keeps an eighth for others; what is beyond waits. `-O "source_max 0"` turns that off, `trusted_acl` exempts addresses',
    why: 'one client must not lock out all others',
  },
  'said-limits': {
    when: 'a command at the start sets a limit, weight or prio of a server that the command line names (`-O "server 0 max 5"`)',
    original: 'forgets it: the server of the command line replaces all but the access list',
    ours: 'keeps what the word of the server does not say itself',
    why: 'it was said, and no option should depend on its place',
  },
  'control-address': {
    when: 'the control address (`-C`) cannot be',
    original: 'runs without control listener',
    ours: 'says so, and exits with 1',
    why: 'it would be noticed when it is needed',
  },
  twice: {
    when: 'a second pen is started on the same port',
    original: 'both run, and share the clients',
    ours: 'the second one says that the address is in use, and exits with 1',
    why: 'it is a mistake in nearly all cases',
  },
  background: {
    when: 'a start in the background fails',
    original: 'exits with 0 before it has opened anything',
    ours: 'exits with 1 and says why; 0 means that it serves',
    why: 'scripts and service managers must see that a start failed',
  },
  'unix-file': {
    when: 'there is a file where a unix socket should be',
    original: 'deletes it, whatever it is',
    ours: 'says so, and exits with 1; only a socket that nobody answers on is replaced',
    why: 'a typing error must not cost a file',
  },
  int: {
    when: 'SIGINT',
    original: 'dies by the signal, and leaves its pid file',
    ours: 'stops as with SIGTERM: exit code 0',
    why: 'Ctrl-C is a request to stop',
  },
  'penctl-long': {
    when: 'a command for penctl is longer than 1021 characters',
    original: 'penctl refuses',
    ours: 'is sent, up to 64 KiB',
    why: 'there is no reason for the limit',
  },
  'debug-lines': {
    when: 'started with `-d`, or with a file to obey (`-F`)',
    original: 'tells each step that it takes on stderr',
    ours: 'tells what a person can use, and nothing when all goes well',
    why: 'the steps are others',
  },
  'file-mistakes': {
    when: 'a file of commands has a line that cannot be, at the start, at HUP or by `include`',
    original: 'passes over the line and obeys the others',
    ours: 'tells all such lines and obeys none; of words that the original has dropped it only warns (`block`)',
    why: 'half a file is something that nobody has written',
  },
  'file-none': {
    when: 'a file of commands is not there',
    original: 'goes on without it',
    ours: 'does not start; while running it says so, and all stays as it is',
    why: 'it was named because it matters',
  },
  'file-less': {
    when: 'HUP, and the file no longer says what it said before',
    original: 'keeps it',
    ours: 'has what the command line says, or the default; where the file never said anything, all stays as it is',
    why: 'a line that is taken out is meant to have no effect any more',
  },
  'file-servers': {
    when: 'the file of `-F` has another address for a server than the command line',
    original: "takes the command line's at the start, and the file's at HUP",
    ours: "takes the file's, and says so",
    why: 'a HUP without a change should change nothing',
  },
  'file-write': {
    when: '`write` fails',
    original: 'says nothing',
    ours: 'answers with the reason; the file that was there is as it was',
    why: 'who has saved something relies on it',
  },
  'later-options': {
    when: 'an option belongs to a capability that this version does not have (`-H`, `-E`, `-U`, `-i`, ...)',
    original: 'obeys, on Windows for `-i`',
    ours: 'says `-H: not in this version yet`, and exits with 1',
    why: 'it comes later',
  },
  status: {
    when: '`status`, and there is no file for the page (`-w`, `web_stats`), or it cannot be written',
    original: '`Unable to create webstats`',
    ours: 'answers with the page all the same; why the file cannot be written is said on stderr',
    why: 'nobody needs a file to look at a page',
  },
  page: {
    when: 'the page of `status` and `-w`',
    original: 'HTML of 1996, written over the page before, and through links',
    ours: 'the same tables and columns in HTML of today, escaped; emergency and abuse server are behind the others as -1 and -2; the page takes the place of the one before in one step, and a link is not followed',
    why: 'whoever reads it sees a whole page, and a name cannot become part of it',
  },
  later: {
    when: 'a command belongs to a capability that this version does not have (`http`, `transparent`, ...)',
    original: 'obeys',
    ours: 'answers `http: not in this version yet`',
    why: 'it comes later',
  },
} as const satisfies Record<string, Difference>;

export type DifferenceId = keyof typeof DIFFERENCES;
