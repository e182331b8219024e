/**
 * What must hold after every test, whatever it was about: the program lives, has said nothing it should not, has
 * closed what it opened, sleeps, and has not grown.
 */
import { expect } from 'vitest';
import type { Pen } from './pen.ts';
import { connectionsAt, cpuMsOf, descriptorsOf, memoryOf } from './process-facts.ts';
import { reactor } from './reactor.ts';

/** Descriptors and connections are back within this time. */
const SETTLE_MS = 2000;
const LOOK_MS = 20;
/** Ten times the one percent that idle may cost, over a window this short. */
export const CPU_SHARE_MAX = 0.1;
const CPU_WINDOW_MS = 100;
const MIB = 1 << 20;
/** Big buffers touched (64 MiB), small ones of some thousand connections, and what compiled code takes. */
const GROWTH_MAX = 160 * MIB;

/** All that the program may say: local time, then one of these. */
const STAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: /;
const TEXTS: readonly RegExp[] = [
  /^listening on \S+(, \S+)*, loop (uring|epoll|node)( \(.+\))?$/,
  /^the backlog is full \(-q\): further clients are reset$/,
  /^using Node's own loop: one worker, /,
  /^running as root: say -u USER to give that up, or -u root if it has to be$/,
  /^control: (listen|conn_max): .+/,
  /^listen address: whether it can be had is known when it is opened$/,
  /^listen address: clients that waited at \S+ have been reset, for want of room within 2 seconds$/,
  /^\S+ read again: (nothing changes|[0-9]+ lines change)$/,
  /^no connection to a server can come from the source address: /,
  /^(all connections are in use \(conn_max, -x\)|too many connections wait for their servers \(pending_max\)|out of descriptors \(ulimit -n\)): further clients wait in the backlog$/,
  /^connection \d+, from the (client|server)$/,
  /^pieces that were not dumped, for want of room: \d+$/,
];
/** A dump, with the line before it. */
const DUMP = /: connection \d+, from the (client|server)\n\d+: [\t -~]*$/;

/** How the process was when it had just started and nobody was connected. */
export interface Baseline {
  readonly descriptors: number;
  readonly memory: number;
}

export function baselineOf(pen: Pen): Baseline {
  return { descriptors: descriptorsOf(pen.pid).length, memory: memoryOf(pen.pid) };
}

/** Lines that are none of those it may say. */
export function strangeLines(lines: readonly string[]): string[] {
  const isKnown = (line: string): boolean =>
    STAMP.test(line) && TEXTS.some((text) => text.test(line.replace(STAMP, '')));
  return lines.filter((line, index) => !isKnown(line) && !DUMP.test(`${lines[index - 1]}\n${line}`));
}

/** The checks after each test. All clients and servers of the test have been closed before. */
export async function expectAtRest(pen: Pen, baseline: Baseline): Promise<void> {
  expect(pen.isAlive, `the process lives; it said ${pen.lines.join('\n')}`).toBe(true);
  expect(strangeLines(pen.lines), 'lines on stderr').toEqual([]);
  const leftDescriptors = await settled(() => descriptorsOf(pen.pid).length - baseline.descriptors);
  expect(leftDescriptors, `descriptors left: ${summary(descriptorsOf(pen.pid))}`).toBeLessThanOrEqual(0);
  const leftConnections = await settled(() => (pen.port === 0 ? 0 : connectionsAt(pen.pid, pen.port)));
  expect(leftConnections, 'connections left at the listener').toBe(0);
  expect(await restingCpuShare(pen), 'share of a processor at rest').toBeLessThan(CPU_SHARE_MAX);
  expect((memoryOf(pen.pid) - baseline.memory) / MIB, 'MiB grown').toBeLessThan(GROWTH_MAX / MIB);
}

/** What descriptors point at, each kind with its number: a leak is often of thousands. */
function summary(targets: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const target of targets) {
    const kind = target.replace(/:\[\d+\]$/, '');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}

/** The first count that is not above 0, or the last one looked at. */
async function settled(count: () => number): Promise<number> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const now = count();
    if (now <= 0 || performance.now() > deadline) return now;
    await reactor().pass(LOOK_MS);
  }
}

/**
 * Share of one processor that the program needs while nothing happens: the first window that is calm enough, because
 * what came before may go on for a while (compiling, giving memory back), or the last one.
 */
export async function restingCpuShare(pen: Pen): Promise<number> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const share = await cpuShare(pen, CPU_WINDOW_MS);
    if (share < CPU_SHARE_MAX || performance.now() > deadline) return share;
  }
}

/** Share of one processor that the program uses over the next while. */
export async function cpuShare(pen: Pen, windowMs: number): Promise<number> {
  const startMs = performance.now();
  const before = cpuMsOf(pen.pid);
  await reactor().pass(windowMs);
  return (cpuMsOf(pen.pid) - before) / (performance.now() - startMs);
}
