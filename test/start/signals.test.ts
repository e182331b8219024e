/** Signals in the first moments, before there is anything to obey with. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { PEN } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const PATIENCE_MS = 10_000;
/** Bit of SIGUSR2 in a mask of /proc/PID/status: its handler is the last that is installed. */
const USR2_BIT = 1n << 11n;

/** Sends USR1 to its own process whenever a file of the program is asked for, save the first. */
const HOOKS = `export async function load(url, context, next) {
  if (url.startsWith('file:') && !url.endsWith('/dist/bin/pen.js')) process.kill(process.pid, 'SIGUSR1');
  return next(url, context);
}`;
const dataUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
const PRELOAD = dataUrl(`import { register } from 'node:module'; register(${JSON.stringify(dataUrl(HOOKS))});`);

/** Pen, and what it has said. */
class Started {
  readonly child: ChildProcess;
  text = '';
  private readonly ended: Promise<{ code: number | null; signal: string | null }>;

  constructor(...nodeOptions: readonly string[]) {
    const args = [...nodeOptions, PEN, '-f', '127.0.0.1:0', '127.0.0.1:9'];
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.text += text));
    this.ended = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })));
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  async until(isDone: () => boolean, eachMs: number, each: () => void = () => undefined): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!isDone() && this.child.exitCode === null && this.child.signalCode === null) {
      expect(performance.now(), `waited in vain; it says: ${this.text}`).toBeLessThan(deadline);
      each();
      await new Promise((resolve) => setTimeout(resolve, eachMs));
    }
  }

  get isListening(): boolean {
    return this.text.includes('listening on');
  }

  get isOpenToSignals(): boolean {
    const [, mask = '0'] = /^SigCgt:\s*(\w+)/m.exec(readFileSync(`/proc/${this.child.pid}/status`, 'latin1')) ?? [];
    return (BigInt(`0x${mask}`) & USR2_BIT) !== 0n;
  }

  async expectOrderlyEnd(): Promise<void> {
    expect(this.text).toContain('listening on');
    expect(this.text).not.toContain('Debugger');
    this.child.kill('SIGTERM');
    expect(await this.ended, this.text).toEqual({ code: 0, signal: null });
    expect(this.text).not.toContain('Debugger');
  }
}

needs({ linux: true }, 'signals in the first moments', () => {
  test('USR1 while each file of the program is loaded opens no inspector and ends nothing', async () => {
    const pen = new Started('--import', PRELOAD);
    await pen.until(() => pen.isListening, 5);
    expect(pen.text).toContain('no statistics yet: still starting');
    await pen.expectOrderlyEnd();
  });

  test('USR1 again and again from the first moment in which it is caught until clients are served does no harm', async () => {
    const pen = new Started();
    await pen.until(() => pen.isOpenToSignals, 0);
    await pen.until(
      () => pen.isListening,
      1,
      () => pen.child.kill('SIGUSR1'),
    );
    await pen.expectOrderlyEnd();
  });

  test('TERM in the first moment in which it is caught is not lost', async () => {
    const pen = new Started();
    await pen.until(() => pen.isOpenToSignals, 0);
    pen.child.kill('SIGTERM');
    await pen.until(() => false, 5);
    expect([pen.child.exitCode, pen.child.signalCode], pen.text).toEqual([0, null]);
  });
});
