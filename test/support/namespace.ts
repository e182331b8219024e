/** A network namespace of the test's own, where packets can be dropped without disturbing anybody. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { must, sockets } from './sockets.ts';

/** setns(2). @source asm/unistd_64.h of x86-64; asm-generic/unistd.h of the others */
const SYS_SETNS = process.arch === 'x64' ? 308 : 268;
const CLONE_NEWNET = 0x4000_0000;

let created = 0;

export class Namespace {
  readonly name = `pen-test-${process.pid}-${++created}`;
  /** What runs a command inside. */
  readonly prefix: readonly string[] = ['ip', 'netns', 'exec', this.name];

  constructor() {
    execFileSync('ip', ['netns', 'add', this.name]);
    execFileSync('ip', ['-n', this.name, 'link', 'set', 'lo', 'up']);
  }

  /** Calls `open` with this thread inside the namespace: a socket belongs for ever to where it was opened. */
  inside<T>(open: () => T): T {
    const home = openSync('/proc/self/ns/net', 'r');
    const there = openSync(`/run/netns/${this.name}`, 'r');
    const enter = (fd: number): number =>
      must(sockets().libc.syscall(SYS_SETNS, fd, CLONE_NEWNET, 0, 0, 0, 0), 'setns');
    try {
      enter(there);
      return open();
    } finally {
      enter(home);
      closeSync(home);
      closeSync(there);
    }
  }

  /** Drops every packet to these TCP ports, without a word to the sender. */
  blackHole(ports: readonly number[]): void {
    this.nft(`add table inet hole`);
    this.nft(`add chain inet hole input { type filter hook input priority 0 ; }`);
    this.nft(`add rule inet hole input tcp dport { ${ports.join(', ')} } drop`);
  }

  heal(): void {
    this.nft('delete table inet hole');
  }

  remove(): void {
    execFileSync('ip', ['netns', 'del', this.name]);
  }

  private nft(rule: string): void {
    execFileSync('ip', ['netns', 'exec', this.name, 'nft', rule]);
  }
}
