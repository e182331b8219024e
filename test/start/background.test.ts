/** In the background: the first process returns when clients are served, or says why they are not. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AS_WHO_WE_ARE } from '../support/control.ts';
import { PEN } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const PATIENCE_MS = 10_000;
const LOOK_MS = 20;

function start(...args: string[]) {
  return spawnSync(process.execPath, [PEN, ...args], { encoding: 'utf8', timeout: PATIENCE_MS });
}

async function until(isDone: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

needs({ linux: true, packages: ['procps'] }, 'background', () => {
  let folder: string;
  let pidFile: string;
  let socket: string;
  const pids: number[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'background-'));
    [pidFile, socket] = [join(folder, 'pid'), join(folder, 'pen')];
  });
  afterEach(async () => {
    for (const pid of pids.splice(0)) {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
      await until(() => !existsSync(`/proc/${pid}`), 'the process to be gone');
    }
    rmSync(folder, { recursive: true });
  });

  /** Starts it and remembers the process it leaves. */
  function leave(...args: string[]): number {
    const { status, stdout, stderr } = start('-p', pidFile, ...AS_WHO_WE_ARE, ...args, socket, '127.0.0.1:9');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe('');
    const pid = Number(readFileSync(pidFile, 'utf8'));
    pids.push(pid);
    return pid;
  }

  test('the first process returns 0 when clients are served; the other has a session of its own and no terminal', async () => {
    const pid = leave();
    await new Promise<void>((resolve, reject) => {
      connect(socket, resolve).on('error', reject).end();
    });
    expect([0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))).toEqual([
      '/dev/null',
      '/dev/null',
      '/dev/null',
    ]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(process.cwd());
    const [, , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    expect(Number(session)).toBe(pid);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain('PEN_BACKGROUND');
  });

  test('it has the name of the original, by which scripts find it, and its arguments', () => {
    const pid = leave('-r');
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe('pen\n');
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')).toContain('-r');
    const { stdout } = spawnSync('pgrep', ['-x', 'pen'], { encoding: 'utf8' });
    expect(stdout.split('\n')).toContain(String(pid));
  });

  test('TERM ends it and takes its pid file and its socket away', async () => {
    const pid = leave();
    process.kill(pid, 'SIGTERM');
    await until(() => !existsSync(`/proc/${pid}`), 'the end');
    expect([existsSync(pidFile), existsSync(socket)]).toEqual([false, false]);
  });

  test('KILL leaves both; the next one takes them over', async () => {
    const first = leave();
    process.kill(first, 'SIGKILL');
    await until(() => !existsSync(`/proc/${first}`), 'the end');
    expect([existsSync(pidFile), existsSync(socket)]).toEqual([true, true]);
    expect(leave()).not.toBe(first);
  });

  test.each([
    ['an address in use', () => ['-f'], /cannot listen on/],
    ['an option that is wrong', () => ['-x', 'many'], /^pen: -x 'conn_max': 'many' is not a whole number/],
    ['a pid file that cannot be written', () => ['-p', '/nowhere/pid'], /-p: .*the folder does not exist/],
    ['a link in place of the pid file', () => ['-p', join(folder, 'link')], /symbolic link, which is not followed/],
  ])('%s: status 1, the reason on stderr, and nobody is left behind', (what, options, says) => {
    symlinkSync(join(folder, 'victim'), join(folder, 'link'));
    if (what === 'an address in use') leave();
    const args = what === 'an address in use' ? [] : options();
    const { status, stderr } = start(...args, socket, '127.0.0.1:9');
    expect(status).toBe(1);
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(join(folder, 'victim'))).toBe(false);
    if (what !== 'an address in use') expect(existsSync(socket)).toBe(false);
  });

  test('a pid file has one holder: a second Pen is refused by name of the first, which goes on and removes its file', async () => {
    const first = leave();
    for (const options of [[], ['-f']]) {
      const { status, stderr } = start(...options, '-p', pidFile, join(folder, 'second'), '127.0.0.1:9');
      expect(status).toBe(1);
      expect(stderr).toBe(
        `pen: -p: cannot write the pid file '${pidFile}': process ${first} runs and holds it; stop that process, or name another file\n`,
      );
    }
    expect([readFileSync(pidFile, 'utf8'), existsSync(join(folder, 'second'))]).toEqual([String(first), false]);
    process.kill(first, 'SIGTERM');
    await until(() => !existsSync(`/proc/${first}`), 'the end');
    expect(existsSync(pidFile)).toBe(false);
  });

  test('a number of a process that runs but holds no file is what a dead one has left', () => {
    writeFileSync(pidFile, String(process.pid));
    expect(leave()).not.toBe(process.pid);
  });

  test('a file that holds something else is left alone', () => {
    writeFileSync(pidFile, 'server 0 address 127.0.0.1\n');
    const { status, stderr } = start('-p', pidFile, socket, '127.0.0.1:9');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^pen: -p: .*it holds something else than the number of a process, so it was left alone\n$/);
    expect(readFileSync(pidFile, 'utf8')).toBe('server 0 address 127.0.0.1\n');
  });

  test('a second process that is killed before it serves is told of', async () => {
    const first = spawn(process.execPath, [PEN, socket, '127.0.0.1:9'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    first.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = new Promise((resolve) => first.on('close', resolve));
    const children = `/proc/${first.pid}/task/${first.pid}/children`;
    await until(() => readFileSync(children, 'utf8') !== '', 'the second process');
    process.kill(Number(readFileSync(children, 'utf8')), 'SIGKILL');
    expect(await ended).toBe(1);
    expect(said).toBe('pen: SIGKILL ended the process in the background before it served\n');
  });

  test('answers of commands are seen before the terminal is left, those of other options are not', () => {
    const { status, stdout } = start('-p', pidFile, '-b', '7', '-O', 'mode', socket, '127.0.0.1:9');
    pids.push(Number(readFileSync(pidFile, 'utf8')));
    expect([status, stdout]).toEqual([0, 'no hash no roundrobin no stubborn no weight no prio\n']);
  });
});

needs({ linux: true, root: true }, 'a full disk', () => {
  test('status 1, the reason, and no empty pid file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'full-'));
    // A file system of its own, in a mount namespace that goes with it.
    const script = `mount -t tmpfs -o size=4k none "$0" && head -c 4096 /dev/zero >"$0/fill"; "$@"; status=$?; ls "$0"; exit $status`;
    const command = [process.execPath, PEN, '-f', '-p', join(folder, 'pid'), '127.0.0.1:0', '127.0.0.1:9'];
    const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, folder, ...command], {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    });
    rmSync(folder, { recursive: true });
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: 'fill\n',
      stderr: `pen: -p: cannot write the pid file '${join(folder, 'pid')}': no space left on its device\n`,
    });
  });
});

needs({ linux: true }, 'signals in the foreground', () => {
  test('USR1 tells statistics and HUP that there is no file to read again; both leave it running, USR2 aborts it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'signals-'));
    const pidFile = join(folder, 'pid');
    writeFileSync(pidFile, '4194305');
    const child = spawn(process.execPath, [PEN, '-f', '-p', pidFile, '127.0.0.1:0', '127.0.0.1:9:5:7'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: folder,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
    await until(() => said.includes('listening on'), 'the start');
    expect(readFileSync(pidFile, 'utf8')).toBe(String(child.pid));
    child.kill('SIGUSR1');
    await until(() => said.includes('Number of connections: '), 'statistics');
    expect(said).toMatch(/: Time [-\d]+ [:\d]+, 1 servers, 0 current\n/);
    expect(said).toMatch(
      /: Server 0: address 127\.0\.0\.1, status 0, port 9, 0 connections \(5 soft, 7 hard\), 0 sent, 0 received\n/,
    );
    child.kill('SIGHUP');
    await until(() => said.includes('SIGHUP: there is no file'), 'the answer to HUP');
    child.kill('SIGUSR2');
    expect(await ended).toBe('SIGABRT');
    rmSync(folder, { recursive: true });
  });
});
