/** A folder to be the root directory of a Pen, and what the kernel says about each of its threads. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { descriptorsOf } from '../support/process-facts.ts';

const CLOSE_ON_EXEC = 0o2000000;

/** The user that the tests become; it has no group but its own. */
export const NOBODY = { name: 'nobody', id: 65534 };

export class Jail {
  /** For what is outside. */
  readonly base: string;
  /** Root's, as a jail should be. */
  readonly path: string;
  /** The one folder inside in which the user may write, as is seen from outside and from inside. */
  readonly own: string;
  readonly ownInside = '/own';

  constructor() {
    this.base = mkdtempSync(join(tmpdir(), 'pen-jail-'));
    chmodSync(this.base, 0o755);
    this.path = join(this.base, 'jail');
    this.own = join(this.path, 'own');
    mkdirSync(this.own, { recursive: true });
    chownSync(this.own, NOBODY.id, NOBODY.id);
  }

  /** Puts a file at the same path inside. */
  copyIn(path: string): void {
    const inside = join(this.path, path);
    mkdirSync(dirname(inside), { recursive: true });
    copyFileSync(path, inside);
  }

  remove(): void {
    rmSync(this.base, { recursive: true });
  }
}

/** Lines of /proc/PID/task/TID/status that tell what a thread may do. */
const TELLING = /^(Uid|Gid|Groups|CapEff|CapPrm|CapAmb|NoNewPrivs|Seccomp):/;

/** What each thread may do and sees: those that are alike once, with their number. */
export function rightsOf(pid: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    let text: string;
    try {
      const status = readFileSync(`${folder}/status`, 'latin1');
      const lines = status.split('\n').filter((line) => TELLING.test(line));
      text = [...lines, `root ${readlinkSync(`${folder}/root`)}`, `cwd ${readlinkSync(`${folder}/cwd`)}`]
        .map((line) => line.replace(/\s+/g, ' ').trim())
        .join('; ');
    } catch {
      continue; // it has ended
    }
    found.set(text, (found.get(text) ?? 0) + 1);
  }
  return found;
}

/** What `rightsOf` tells of a thread without rights. */
export function noRights(root: string, cwd: string): string {
  const id = NOBODY.id;
  const ids = `${id} ${id} ${id} ${id}`;
  const none = '0000000000000000';
  return [
    `Uid: ${ids}; Gid: ${ids}; Groups: ${id}`,
    `CapPrm: ${none}; CapEff: ${none}; CapAmb: ${none}`,
    `NoNewPrivs: 1; Seccomp: 2; root ${root}; cwd ${cwd}`,
  ].join('; ');
}

/** What a program started by this process would get, beyond what the test itself was started with. */
export function inheritedBy(pid: number): string[] {
  const outside = new Set(descriptorsOf(process.pid));
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0';
      const isInherited = (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
      return isInherited && !outside.has(target) ? [target] : [];
    } catch {
      return []; // it has been closed
    }
  });
}

/** Calls of a trace (`strace -f -o`) after the root directory was changed; those that others came between are whole again. */
export function callsInJail(trace: string): string[] {
  const begun = new Map<string, string>();
  const calls: string[] = [];
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? [];
    if (text.endsWith(' <unfinished ...>')) begun.set(thread, text.slice(0, -' <unfinished ...>'.length));
    else calls.push(rest === undefined ? text : `${begun.get(thread) ?? ''}${rest}`);
  }
  return calls.slice(calls.findIndex((call) => call.startsWith('chroot(')));
}
