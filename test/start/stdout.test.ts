/** Whoever reads what Pen prints may have gone or may have no room: that is said, or nothing, and Pen serves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AS_WHO_WE_ARE } from '../support/control.ts';
import { PEN } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const LISTENING = /listening on/;

needs({ linux: true }, 'stdout', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stdout-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A program whose stdout is a pipe that nobody reads any more. */
  function unread(...args: string[]): ChildProcess {
    const child = spawn(process.execPath, [PEN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout?.destroy();
    return child;
  }

  /** What it says on stderr until it ends, or until that is `enough`. */
  async function heard(child: ChildProcess, enough?: RegExp): Promise<{ code: number | null; said: string }> {
    let said = '';
    child.stderr?.setEncoding('utf8');
    return new Promise((resolve) => {
      child.stderr?.on('data', (text: string) => {
        said += text;
        if (enough?.test(said) === true) resolve({ code: child.exitCode, said });
      });
      child.on('close', (code) => resolve({ code, said }));
    });
  }

  test('help that nobody reads is no mistake', async () => {
    expect(await heard(unread('--help'))).toEqual({ code: 0, said: '' });
  });

  test('help that finds no room is told of in one line', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [PEN, '--help'], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    const { code, said } = await heard(child);
    expect(code).toBe(1);
    expect(said).toMatch(/^pen: stdout: cannot be written to \(ENOSPC: .*\)\n$/);
  });

  test('answers that nobody reads keep nobody from being served', async () => {
    const child = unread('-f', '-O', 'help', join(folder, 'pen'), '127.0.0.1:9');
    const { code, said } = await heard(child, LISTENING);
    expect({ code, said }).toEqual({ code: null, said: expect.stringMatching(LISTENING) });
    child.kill();
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
  });

  test('nor from being served in the background', async () => {
    const pidFile = join(folder, 'pid');
    const child = unread(...AS_WHO_WE_ARE, '-p', pidFile, '-O', 'help', join(folder, 'pen'), '127.0.0.1:9');
    expect(await heard(child)).toEqual({ code: 0, said: '' });
    const pid = Number(readFileSync(pidFile, 'utf8'));
    process.kill(pid);
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  test('a working directory that was removed is told of in one line', async () => {
    const removed = mkdtempSync(join(folder, 'removed-'));
    const script = 'rmdir "$0" && exec "$@"';
    const command = [process.execPath, PEN, '-f', join(folder, 'pen'), '127.0.0.1:9'];
    const child = spawn('sh', ['-c', script, removed, ...command], {
      cwd: removed,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    expect(await heard(child)).toEqual({
      code: 1,
      said: 'pen: working directory: it has been removed; change to another one, as by cd /\n',
    });
  });
});
