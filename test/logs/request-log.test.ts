/** The request log: its lines, where they go, and that none is lost or torn while files are rotated. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { Pen, type LoopName } from '../support/pen.ts';
import { KERNEL_LOOPS, LOOPS } from '../support/rig.ts';
import { needs, needsLoop } from '../support/skip.ts';

const FOLDER = new Folder();
const CONTROL = FOLDER.at('control');
const WITH_CONTROL = ['-C', CONTROL, ...AS_WHO_WE_ARE];
/** Everybody comes from one address, and there is one server. */
const ROOM = ['-r', '-O', 'source_max 0'];

const running: Pen[] = [];
afterEach(async () => {
  for (const pen of running.splice(0)) expect((await pen.stop()).code).toBe(0);
});

let name = 0;
const fresh = (): string => FOLDER.at(`log.${++name}`);

/** A server that says `ok` to whatever it is told. */
async function talker(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', () => socket.write('ok'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(options: readonly string[], server: string, loop?: LoopName): Promise<Pen> {
  const pen = await Pen.start({ options: [...ROOM, ...options], servers: [server], ...(loop && { loop }) });
  running.push(pen);
  return pen;
}

async function client(port: number, localAddress = '127.0.0.2'): Promise<Socket> {
  for (let tries = 0; ; tries++) {
    const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
    try {
      await once(socket, 'connect');
      return socket.on('error', () => undefined);
    } catch (error) {
      if (tries === 200) throw error;
      await pause(20);
    }
  }
}

/** Says something, and waits for the answer: what is said next comes in a piece of its own. */
async function say(socket: Socket, text: string | Buffer): Promise<void> {
  socket.write(text);
  await once(socket, 'data');
}

const pause = async (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (const endMs = Date.now() + 10_000; Date.now() < endMs; await pause(10)) {
    const found = look();
    if (found !== undefined) return found;
  }
  throw new Error(`waited in vain until ${what}`);
}

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(0, -1) : [];
const untilLines = async (path: string, count: number): Promise<string[]> =>
  until(`${path} has ${count} lines`, () => (linesOf(path).length >= count ? linesOf(path) : undefined));

/** What both log alike: the original leaves controls as they are, which no test should print. */
const TALK = [
  'GET /a b HTTP/1.0\r\nHost: x\r\n\r\n',
  '\nan empty line first',
  Buffer.from('caf\xe9 \x80\xff', 'latin1'),
  'x'.repeat(250),
  'the end',
];

async function talk(port: number): Promise<void> {
  const socket = await client(port);
  for (const text of TALK) await say(socket, text);
  socket.destroy();
}

/** The same talk with Debian's pen, which ends after it. */
async function talkToOriginal(log: string, server: string): Promise<void> {
  const port = await freePort();
  const pen = spawn('pen', ['-f', '-r', '-l', log, `127.0.0.1:${port}`, server], { stdio: 'ignore' });
  try {
    await talk(port);
    await pause(100);
  } finally {
    // It may wait for ever where it handles the signal, for a lock that it has itself.
    const late = setTimeout(() => pen.kill('SIGKILL'), 3000);
    pen.kill('SIGTERM');
    await once(pen, 'close');
    clearTimeout(late);
  }
}

/** Somebody who takes datagrams. */
async function taker(): Promise<{ address: string; taken: Buffer[] }> {
  const socket = createSocket('udp4');
  const taken: Buffer[] = [];
  socket.on('message', (bytes) => taken.push(bytes)).bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return { address: `127.0.0.1:${socket.address().port}`, taken };
}

needs({ linux: true, packages: ['pen'] }, "the request log beside that of Debian's pen", () => {
  test('the lines are those of the original', async () => {
    const [server, theirs, ours] = [await talker(), fresh(), fresh()];
    await talkToOriginal(theirs, server);
    await talk((await start(['-l', ours], server)).port);
    const lines = await untilLines(ours, TALK.length);
    const nowS = Date.now() / 1000;
    for (const line of lines) expect(Math.abs(Number(line.split(' ')[1]) - nowS)).toBeLessThan(60);
    const timeless = (all: readonly string[]): string[] => all.map((line) => line.replace(/^(\S+) \d+ /, '$1 EPOCH '));
    expect(timeless(lines)).toEqual(timeless(linesOf(theirs)));
    expect(lines[3]).toMatch(/^127\.0\.0\.2 \d+ 127\.0\.0\.1 x{100}$/);
  });

  test('datagrams are those of the original', async () => {
    const server = await talker();
    const [theirs, ours] = [await taker(), await taker()];
    await talkToOriginal(theirs.address, server);
    await talk((await start(['-l', ours.address], server)).port);
    await until('all datagrams are there', () => (ours.taken.length >= TALK.length ? true : undefined));
    // Bytes that are no ASCII are dots in ours, as they are in files.
    const safe = (datagram: Buffer): string => datagram.toString('latin1').replace(/[\x80-\xff]/g, '.');
    expect(ours.taken.map(safe)).toEqual(theirs.taken.map(safe));
    expect(ours.taken[0]!.toString()).toBe('+ 127.0.0.2 127.0.0.1 GET /a b HTTP/1.0\n');
  });
});

const CLIENTS = 4;
const EACH = 1500;
const ROTATIONS = 15;

for (const loop of LOOPS) {
  needsLoop(loop, 'the request log', () => {
    test('L1: one thing said is one line, whatever it is', async () => {
      const [server, log] = [await talker(), fresh()];
      const socket = await client((await start(['-l', log], server, loop)).port);
      for (const text of ['\x1b[2J\0\x7f"\t\x9b', 'a\r\n127.0.0.9 1 127.0.0.1 GET /forged\n', 'x'.repeat(1 << 14)]) {
        await say(socket, Buffer.from(text, 'latin1'));
      }
      socket.destroy();
      const lines = await untilLines(log, 3);
      expect(lines.map((line) => line.replace(/ \d+ /, ' '))).toEqual([
        '127.0.0.2 127.0.0.1 .[2J.."..',
        '127.0.0.2 127.0.0.1 a',
        `127.0.0.2 127.0.0.1 ${'x'.repeat(100)}`,
      ]);
    });

    test('L4: no line is lost or torn while the file is renamed and begun anew', async () => {
      const [server, log] = [await talker(), fresh()];
      const { port, child } = await start(['-l', log], server, loop);
      const talks = Array.from({ length: CLIENTS }, async (_, who) => {
        const socket = await client(port);
        for (let i = 0; i < EACH; i++) await say(socket, `client ${who} says ${i}`);
        socket.destroy();
      });
      const rotating = (async () => {
        for (let i = 1; i <= ROTATIONS; i++) {
          await pause(60);
          renameSync(log, `${log}.${i}`);
          child.kill('SIGHUP');
          await until('the file is there again', () => (existsSync(log) ? true : undefined));
        }
      })();
      await Promise.all(talks);
      await rotating;
      const files = (): string[] => [...Array.from({ length: ROTATIONS }, (_, i) => `${log}.${i + 1}`), log];
      const all = await until('all lines are there', () => {
        const lines = files().flatMap(linesOf);
        return lines.length >= CLIENTS * EACH ? lines : undefined;
      });
      for (let who = 0; who < CLIENTS; who++) {
        const said = all.flatMap((line) => {
          const found = /^127\.0\.0\.2 \d{10} 127\.0\.0\.1 client (\d) says (\d+)$/.exec(line);
          expect(found, line).not.toBeNull();
          return Number(found?.[1]) === who ? [Number(found?.[2])] : [];
        });
        expect(said).toEqual(Array.from({ length: EACH }, (_, i) => i));
      }
    });

    test('L2: where lines cannot be written that is said once, lines are counted, and clients are served', async () => {
      const pen = await start(['-l', '/dev/full'], await talker(), loop);
      const socket = await client(pen.port);
      for (let i = 0; i < 500; i++) await say(socket, `request ${i}`);
      socket.destroy();
      expect((await pen.stop()).code).toBe(0);
      running.length = 0;
      const about = (what: RegExp): string[] => pen.lines.filter((line) => what.test(line));
      expect(about(/cannot write the log/).length).toBe(1);
      const lost = about(/ lines are lost/).map((line) => Number(/log: (\d+) lines/.exec(line)?.[1]));
      expect(lost.reduce((sum, count) => sum + count, 0)).toBe(500);
    });
  });
}

needs({ linux: true }, 'the command log', () => {
  test('moves the log, ends it, and changes nothing when a file cannot be had', async () => {
    const [server, one, two] = [await talker(), fresh(), fresh()];
    const { address, taken } = await taker();
    const pen = await start([...WITH_CONTROL, '-l', one], server);
    const socket = await client(pen.port);
    await say(socket, 'to the first');
    await untilLines(one, 1);
    expect(await ask(CONTROL, `log ${two}\n`)).toBe(`${two}\n`);
    await say(socket, 'to the second');
    await untilLines(two, 1);
    expect(await ask(CONTROL, `log ${FOLDER.at('no/such')}\n`)).toBe(`${two}\n`);
    await say(socket, 'to the second as before');
    await untilLines(two, 2);
    expect(await ask(CONTROL, `log ${address}\n`)).toBe(`${address}\n`);
    await say(socket, 'as a datagram');
    await until('it is there', () => (taken.length > 0 ? true : undefined));
    expect(await ask(CONTROL, 'no log\n')).toBe('');
    await say(socket, 'to nobody');
    await say(socket, 'to nobody');
    expect(await ask(CONTROL, 'log\n')).toBe('');
    socket.destroy();
    await pause(100);
    const textOf = (line: string): string => line.replace(/^\S+ \d+ \S+ /, '');
    expect([linesOf(one).map(textOf), linesOf(two).map(textOf)]).toEqual([
      ['to the first'],
      ['to the second', 'to the second as before'],
    ]);
    expect(taken.map(String)).toEqual(['+ 127.0.0.2 127.0.0.1 as a datagram\n']);
    expect(pen.lines.filter((line) => line.includes('no/such'))).toEqual([
      expect.stringMatching(/control: log: '.*no\/such' cannot be opened: the folder does not exist$/),
    ]);
  });

  test('a log that cannot be had ends the start, and is told by --check, which makes none', async () => {
    const server = await talker();
    const { exit, lines } = await Pen.run({ options: ['-l', FOLDER.at('no/log')], servers: [server] });
    expect([exit.code, lines]).toEqual([
      1,
      [`pen: -l 'log': '${FOLDER.at('no/log')}' cannot be opened: the folder does not exist`],
    ]);
    const file = FOLDER.write(
      'check.cfg',
      `listen 127.0.0.1:1\nserver 0 address ${server.replace(':', ' port ')}\nlog ${FOLDER.at('no/log')}\n`,
    );
    const checked = await Pen.run({ options: ['--check', file], servers: [] });
    expect(checked.exit.code).toBe(1);
    expect(checked.lines.join('\n')).toContain(`check.cfg:3 'log'`);
  });

  test('what a worker has said before the end is in the file', async () => {
    const [server, log] = [await talker(), fresh()];
    const pen = await start(['-l', log], server);
    const socket = await client(pen.port);
    await say(socket, 'the last word');
    expect((await pen.stop()).code).toBe(0);
    running.length = 0;
    expect(linesOf(log).length).toBe(1);
  });
});

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'several workers', () => {
    test('log into one file', async () => {
      const [server, log] = [await talker(), fresh()];
      const { port } = await start(['-l', log, '-O', 'workers 3'], server, loop);
      const sockets = await Promise.all(Array.from({ length: 30 }, async () => client(port)));
      await Promise.all(sockets.map(async (socket, i) => say(socket, `client ${i}`)));
      const lines = await untilLines(log, 30);
      for (const socket of sockets) socket.destroy();
      const who = lines.map((line) => Number(/ client (\d+)$/.exec(line)?.[1])).sort((a, b) => a - b);
      expect(who).toEqual(Array.from({ length: 30 }, (_, i) => i));
    });
  });
}

needs({ linux: true, root: true }, 'without rights', () => {
  test('a log that was opened before goes on where it is when its folder is out of reach', async () => {
    const [server, folder] = [await talker(), FOLDER.at('mine')];
    mkdirSync(folder);
    chmodSync(folder, 0o700);
    const log = `${folder}/requests`;
    const pen = await start(['-u', 'nobody', '-l', log], server);
    expect(statSync(log).mode & 0o777).toBe(0o640);
    const socket = await client(pen.port);
    await say(socket, 'before');
    await untilLines(log, 1);
    pen.child.kill('SIGHUP');
    await pen.line(/the log '.*' goes on where it is: permission denied/);
    await say(socket, 'after');
    await untilLines(log, 2);
    socket.destroy();
  });
});
