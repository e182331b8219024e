import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { cpuBetween, isAlive, processTree, readCpu, readResidentKb, readWakeups } from './measure.ts';

/** A process that does a thing for each byte on its input, and answers with a byte. */
const CHILD = `
  const { Worker } = require('node:worker_threads')
  const burn = \`
    const used = () => { const { user, system } = process.cpuUsage(); return user + system }
    for (const end = used() + 300_000; used() < end;);
  \`
  const things = {
    b: () => new Promise((done) => { eval(burn); done() }),
    w: () => new Promise((done) => new Worker(burn, { eval: true }).on('exit', done)),
  }
  process.stdin.on('data', async (byte) => { await things[byte](); process.stdout.write('.') })
  process.stdout.write('.')
`;

let child: ChildProcess | undefined;

async function start(): Promise<number> {
  child = spawn(process.execPath, ['-e', CHILD], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return child.pid!;
}

async function ask(thing: string): Promise<void> {
  child!.stdin!.write(thing);
  await once(child!.stdout!, 'data');
}

afterEach(() => {
  child?.kill('SIGKILL');
});

describe.runIf(process.platform === 'linux')('cpuBetween', () => {
  it('counts living threads to the nanosecond', async () => {
    const pid = await start();
    const before = readCpu(pid);
    await ask('b');
    const use = cpuBetween(before, readCpu(pid));
    expect(use.nanoseconds).toBeGreaterThan(30e6);
    expect(use.nanoseconds).toBeLessThan(600e6);
    expect(use.nanoseconds % 10e6).not.toBe(0);
  });

  it('does not lose what a thread used that has ended', async () => {
    const pid = await start();
    const before = readCpu(pid);
    await ask('w');
    const after = readCpu(pid);
    const use = cpuBetween(before, after);
    const ticks = use.userTicks + use.systemTicks;
    expect(use.fromTicks).toBe(true);
    expect(use.nanoseconds).toBe(ticks * 10e6);
    expect(ticks).toBeGreaterThan(3);
  });

  it('refuses to judge a process that ended', async () => {
    const pid = await start();
    const before = readCpu(pid);
    child!.kill('SIGKILL');
    await once(child!, 'exit');
    expect(() => cpuBetween(before, readCpu(pid))).toThrow(`process ${pid} ended`);
  });
});

describe.runIf(process.platform === 'linux')('processTree', () => {
  it('finds descendants, parents first, and knows the dead', async () => {
    const pid = await start();
    const tree = processTree(process.pid);
    const self = tree.findIndex((one) => one.pid === process.pid);
    const found = tree.findIndex((one) => one.pid === pid);
    expect(self).toBe(0);
    expect(found).toBeGreaterThan(0);
    const identity = tree[found]!;
    expect(isAlive(identity)).toBe(true);
    child!.kill('SIGKILL');
    await once(child!, 'exit');
    expect(isAlive(identity)).toBe(false);
    expect(isAlive({ pid: process.pid, startTicks: -1 })).toBe(false);
    expect(processTree(pid)).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux')('memory and wake-ups', () => {
  it('sees a process the size of Node, and its sleeps', async () => {
    const pid = await start();
    expect(readResidentKb(pid)).toBeGreaterThan(20_000);
    const before = readWakeups(pid);
    await ask('b');
    expect(readWakeups(pid)).toBeGreaterThan(before);
  });
});
