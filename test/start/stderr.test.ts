/** Whoever listens to stderr may go away, stand still or have no room: Pen goes on balancing, and stops when told. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, onTestFinished, test } from 'vitest';
import { AS_WHO_WE_ARE } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { PEN } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { Server } from '../support/server.ts';
import { needs } from '../support/skip.ts';
import { unix } from '../support/sockets.ts';

const folder = mkdtempSync(join(tmpdir(), 'pen-stderr-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => Peer.closeAll());

let lastPath = 0;

/** Pen behind a unix path of its own, because nobody may hear at which port it listens. */
class Unheard {
  readonly path = join(folder, `${++lastPath}.sock`);
  readonly child: ChildProcess;
  private readonly server = new Server();
  private readonly ended: Promise<number | null>;

  constructor(stderr: 'pipe' | number) {
    this.child = spawn(process.execPath, [PEN, '-f', ...AS_WHO_WE_ARE, this.path, this.server.address], {
      stdio: ['ignore', 'ignore', stderr],
    });
    this.ended = new Promise((resolve) => this.child.on('exit', (code) => resolve(code)));
    onTestFinished(() => {
      this.child.kill('SIGKILL');
      this.server.close();
    });
  }

  /** Sends a byte through it and back, and waits for its start if need be. */
  async expectServes(): Promise<void> {
    const endMs = performance.now() + 10_000;
    for (let client = Peer.connect(unix(this.path)); ; client = Peer.connect(unix(this.path))) {
      client.send(1);
      await reactor().until(() => client.ending !== '' || this.server.waiting.length > 0, 'it is served or refused');
      const server = this.server.waiting.shift();
      if (server === undefined && performance.now() < endMs) {
        expect(this.child.exitCode, 'it lives').toBe(null);
        await reactor().pass(50);
        continue;
      }
      expect(server, `served, instead of ${client.ending}`).toBeDefined();
      server?.send(1);
      await reactor().until(() => client.received === 1 && server?.received === 1, 'a byte there and back');
      return;
    }
  }

  /** Makes it say something, again and again. */
  async provoke(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.child.kill('SIGHUP');
      await reactor().pass(1);
    }
    await reactor().pass(100);
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return Promise.race([
      this.ended,
      reactor()
        .pass(5000)
        .then(() => null),
    ]);
  }
}

/** A pipe without room that nobody reads. */
function fullPipe(path = join(folder, `${++lastPath}.pipe`)): number {
  execFileSync('mkfifo', [path]);
  // For reading as well, so that opening does not wait for a reader.
  const pipe = openSync(path, 'r+');
  onTestFinished(() => closeSync(pipe));
  fill(path);
  return pipe;
}

/** Writes into a pipe until there is no room for a line any more. */
function fill(path: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    for (const piece of ['x'.repeat(4096), 'x']) {
      for (;;) writeSync(fd, piece);
    }
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
  } finally {
    closeSync(fd);
  }
}

/** What there is to read at the moment. */
function take(pipe: number): string {
  const buffer = Buffer.alloc(1 << 17);
  try {
    return buffer.toString('latin1', 0, readSync(pipe, buffer));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
    return '';
  }
}

needs({ linux: true }, 'stderr', () => {
  test('when nobody listens any more it goes on, and ends with status 0', async () => {
    const pen = new Unheard('pipe');
    await pen.expectServes();
    pen.child.stderr?.destroy();
    await pen.provoke(5);
    await pen.expectServes();
    expect(await pen.stop()).toBe(0);
  });

  test('on a full disk it starts, goes on, and ends with status 0', async () => {
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(full));
    const pen = new Unheard(full);
    await pen.expectServes();
    await pen.provoke(5);
    await pen.expectServes();
    expect(await pen.stop()).toBe(0);
  });

  test('when the listener stands still it starts, goes on, and ends with status 0', async () => {
    const pen = new Unheard(fullPipe());
    await pen.expectServes();
    await pen.provoke(5);
    await pen.expectServes();
    expect(await pen.stop()).toBe(0);
  });

  test('when the listener goes on it is told how many lines it has missed', async () => {
    const path = join(folder, 'pipe');
    const pen = new Unheard(fullPipe(path));
    await pen.expectServes();
    await pen.provoke(1);
    await pen.provoke(1);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    const buffer = Buffer.alloc(1 << 20);
    readSync(reader, buffer);
    await pen.provoke(1);
    const text = buffer.toString('latin1', 0, readSync(reader, buffer));
    expect(text).toMatch(/^[-\d]+ [:\d]+: lines lost, because nobody took them: 3\n[-\d]+ [:\d]+: SIGHUP[: ][^\n]+\n$/);
    expect(await pen.stop()).toBe(0);
  });

  test('statistics, of which there may be more than a pipe holds, wait for a listener that goes on', async () => {
    const path = join(folder, 'statistics');
    const pen = new Unheard(fullPipe(path));
    for (let i = 0; i < 30; i++) await pen.expectServes();
    pen.child.kill('SIGUSR1');
    await reactor().pass(200);
    // Asked again before they are told: they are not begun anew.
    pen.child.kill('SIGUSR1');
    await pen.expectServes();
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    let said = '';
    await reactor().until(
      () => {
        said += take(reader).replace(/^x+/, '');
        return said.includes('Connection 30: ');
      },
      () => `all connections, after ${said}`,
    );
    const texts = said.split('\n');
    const about = texts.map((text) => /: ([A-Z][a-z]+)/.exec(text)?.[1]).filter((word) => word !== undefined);
    // Each line is made when it is said: the connection that came meanwhile is among them.
    expect(about.slice(about.indexOf('Time'))).toEqual([
      'Time',
      'Server',
      'Max',
      'Client',
      'Number',
      ...Array.from({ length: 31 }, () => 'Connection'),
    ]);
    expect(said).toContain(': Number of connections: 500 max, 30 used, 29 last');
    expect(await pen.stop()).toBe(0);
  });
});
