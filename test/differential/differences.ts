/** Where Pen differs from Debian's pen 0.34.1 on purpose. */

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
    original: 'counts a connection when its connect ends, and uncounts also those it never counted, so limits leak',
    ours: 'counts from the attempt on, and each connection once: a limit is never exceeded',
    why: 'a limit that can be exceeded protects nothing',
  },
  'tracking-time': {
    when: 'a client comes back after the tracking time (`-T`)',
    original: 'still knows it, unless another client has taken its place',
    ours: 'chooses anew',
    why: 'the time is what was asked for',
  },
  hash: {
    when: 'clients are chosen by hash (`-h`)',
    original: 'with 2, 4, 8 ... servers only the first byte of the address counts',
    ours: 'all of the address counts; `hash original` gives the old choice',
    why: 'clients of one network all got the same server',
  },
  refused: {
    when: 'a server refuses a connection, without `-P`',
    original: 'closes the client; neither blacklist nor another server',
    ours: 'tries the next server, as the original does with `-P`',
    why: 'this is what failover is for',
  },
  reset: {
    when: 'a server or client resets its connection',
    original: 'the other side sees an orderly end',
    ours: 'the other side sees a reset',
    why: 'a reply that was cut short must not look complete',
  },
  denied: {
    when: 'a client is denied by `client_acl` and there is no abuse server',
    original: 'gets the emergency server if there is one',
    ours: 'is closed',
    why: 'denied is denied',
  },
  mask: {
    when: 'an access list entry has bits beyond its mask (`acl 2 permit 10.0.0.1 255.255.255.0`)',
    original: 'never matches',
    ours: 'means the network',
    why: 'that is what was meant',
  },
  empty: {
    when: 'there are server numbers that were never set',
    original: 'tries them in their turn, so the next one gets more clients',
    ours: 'passes them over',
    why: 'they are not servers',
  },
  numbers: {
    when: 'a command is given a word that is not a number it can use (`blacklist abc`, `client_acl 10`)',
    original: 'takes what looks like a number at its beginning, or 0',
    ours: 'changes nothing, and answers with the value in force',
    why: 'a slip of the finger must not switch something off',
  },
  'timeout-zero': {
    when: 'the connect timeout is set to 0',
    original: 'spins',
    ours: 'keeps the one it had',
    why: 'a timeout is at least a second',
  },
  'acl-errors': {
    when: 'an `acl` command cannot be understood',
    original: 'says nothing',
    ours: 'answers with a line that begins with `acl: `',
    why: 'a rule that is not there is dangerous',
  },
  crashes: {
    when: 'a command lacks its word (`no acl`)',
    original: 'crashes',
    ours: 'answers with a line that says what is missing',
    why: 'a balancer must survive its operator',
  },
  listen: {
    when: '`listen` names an address that cannot be opened',
    original: 'ends',
    ours: 'keeps the listener it has, and answers with it',
    why: 'a balancer must survive its operator',
  },
  'empty-text': {
    when: '`servers` tells about a number that was never set',
    original: '`addr (unknown address family 0`',
    ours: '`addr 0.0.0.0`',
    why: 'the bracket has no end',
  },
  exit: {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'no-server': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'port-zero': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'server-text': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'control-address': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  twice: {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'start-server': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'unix-server-acl': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'unix-file': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  int: {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  background: {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
  'penctl-long': {
    when: 'x',
    original: 'x',
    ours: 'x',
    why: 'x',
  },
} as const satisfies Record<string, Difference>;

export type DifferenceId = keyof typeof DIFFERENCES;
