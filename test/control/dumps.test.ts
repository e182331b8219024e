/** Dumps of what is transferred, on each loop and beside those of the original. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { PEN } from '../support/pen.ts';
import { KERNEL_LOOPS, LOOPS, onOneLoop, type Rig } from '../support/rig.ts';
import { needs, needsLoop } from '../support/skip.ts';

const MIB = 1 << 20;
const FOLDER = mkdtempSync(join(tmpdir(), 'pen-dumps-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

let lastControl = 0;

/** Options of a Pen that dumps, and where it takes commands. */
function dumping(...options: string[]): { control: string; options: string[] } {
  const control = join(FOLDER, `${++lastControl}.control`);
  return { control, options: ['-C', control, ...AS_WHO_WE_ARE, ...options] };
}

const isDump = (line: string): boolean => /^\d+: /.test(line);

/** Bytes that the lines show, of those that follow a line about `whose`. */
function bytesOf(lines: readonly string[], whose: string): Buffer {
  const dumps = lines.filter((line, i) => isDump(line) && lines[i - 1]?.endsWith(whose));
  return Buffer.concat(dumps.map((line) => Buffer.from(line.replace(/^\d+: /, '').replaceAll(' ', ''), 'hex')));
}

/** All that could disturb a line: breaks of all kinds, controls of a terminal, bytes that are no text. */
const QUESTION = Buffer.from('GET / HTTP/1.1\tx\0\x80\xff~ \x1b[2J', 'latin1');
const ANSWER = Buffer.from('0: 41\r\n\v\f2026-01-01 00:00:00: a line of its own\x85\n', 'latin1');

/** Not that of other tests: where nobody listens yet, who asks there must meet neither them nor itself. */
const HOST = '127.0.9.72';

/** One question and one answer by way of `client`, which is connected to a pen. */
async function talk(client: Socket, server: { waiting: Socket[] }): Promise<void> {
  client.write(QUESTION);
  while (server.waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const peer = server.waiting.shift()!;
  expect(await read(peer, QUESTION.length)).toEqual(QUESTION);
  peer.write(ANSWER);
  expect(await read(client, ANSWER.length)).toEqual(ANSWER);
  client.destroy();
  peer.destroy();
}

async function read(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let count = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    count += chunk.length;
    if (count >= length) break;
  }
  return Buffer.concat(chunks);
}

async function listening() {
  const waiting: Socket[] = [];
  const listener = createServer((socket) => void waiting.push(socket.on('error', () => undefined)));
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return { listener, waiting, address: `127.0.0.1:${(listener.address() as AddressInfo).port}` };
}

/** A client of a pen that may still be starting. */
async function connected(port: number, pen: ChildProcess): Promise<Socket> {
  for (;;) {
    const client = connect(port, HOST);
    try {
      await once(client, 'connect');
      return client;
    } catch {
      // In the background the one that was started has ended well.
      expect(pen.exitCode ?? 0, 'how the pen has ended').toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** What a pen prints on stderr for the one talk. */
async function printedBy(command: readonly string[], port: number, server: { waiting: Socket[] }): Promise<string> {
  const [program = '', ...args] = command;
  const pen = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  pen.stderr.setEncoding('latin1').on('data', (more: string) => (text += more));
  try {
    await talk(await connected(port, pen), server);
  } finally {
    pen.kill('SIGTERM');
    // The original may wait for ever where it handles the signal, for a lock that it has itself.
    const late = setTimeout(() => pen.kill('SIGKILL'), 3000);
    await once(pen, 'close');
    clearTimeout(late);
  }
  return text;
}

needs({ linux: true, packages: ['pen'] }, "dumps beside those of Debian's pen", () => {
  const STYLES = [
    { style: 'numbers', options: [] },
    { style: 'text', options: ['-a'] },
  ];
  test.each(STYLES)('the same bytes make the same lines of $style', async ({ style, options }) => {
    const server = await listening();
    const texts: string[] = [];
    for (const program of [['pen'], [process.execPath, PEN]]) {
      const port = await freePort(HOST);
      const args = ['-f', '-ddd', ...options, `${HOST}:${port}`, server.address];
      texts.push(await printedBy([...program, ...args], port, server));
    }
    server.listener.close();
    const [theirs = '', ours = ''] = texts;
    // The original says also that a server has ended, as a piece without bytes.
    const dumped = ours.split('\n').filter((line) => isDump(line) && !line.startsWith('0: '));
    expect(dumped.length).toBe(2);
    if (style === 'numbers') {
      expect(theirs.split('\n').filter((line) => isDump(line) && !line.startsWith('0: '))).toEqual(dumped);
      return;
    }
    for (const bytes of [QUESTION, ANSWER]) {
      const raw = [...bytes].map((byte) => (/[\t-\r -~]/.test(String.fromCharCode(byte)) ? byte : 0x2e));
      const original = Buffer.from(raw).toString('latin1');
      expect(theirs).toContain(`\n${bytes.length}: ${original}\n`);
      // What would end or rewrite a line is a dot with us.
      expect(dumped).toContain(`${bytes.length}: ${original.replace(/[\n\v\f\r]/g, '.')}`);
    }
  });
});

/** What a stream of the rig's peers looks like is known to the peer that receives it: it checks each byte. */
async function exchange(rig: Rig, count: number): Promise<void> {
  const { client, server } = await rig.pair();
  client.send(count);
  await rig.until(() => server.received === count, 'the question');
  server.send(count);
  await rig.until(() => client.received === count, 'the answer');
}

for (const loop of LOOPS) {
  const { control: at, options: said } = dumping();
  needsLoop(loop, 'dumps', () =>
    onOneLoop(loop, { options: said }, (rig) => {
      const dumps = (): string[] => rig.pen.lines.filter(isDump);
      const debug = async (level: number): Promise<void> =>
        expect(await ask(at, `debug ${level}\n`)).toBe(`${level}\n`);
      /** All that was dumped so far has been shown: what is said now, with a length of its own, comes behind it. */
      const allShown = async (): Promise<void> => {
        const { client, server } = await rig.pair();
        const from = rig.pen.lines.length;
        const isShown = (length: number): boolean =>
          rig.pen.lines.some(
            (line, i, all) => i > from && line.startsWith(`${length}: `) && all[i - 1]!.endsWith('from the client'),
          );
        let [length, sent] = [0, 0];
        // Again while there is no room for it.
        do {
          client.send(++length);
          sent += length;
          await rig.until(() => server.received === sent, 'it arrives');
          await rig.pass(100);
        } while (!isShown(length));
        client.close();
        server.close();
      };
      const quiet = async (): Promise<void> => {
        await allShown();
        await debug(0);
      };

      test('begin at the third level and end below it, while connections stand', async () => {
        const { client, server } = await rig.pair();
        const pass = async (bytes: number): Promise<void> => {
          const before = server.received;
          client.send(bytes);
          await rig.until(() => server.received === before + bytes, 'it arrives');
        };
        await debug(2);
        await pass(100);
        await rig.pass(60);
        expect(dumps()).toEqual([]);
        await debug(3);
        await pass(3000);
        await rig.until(() => bytesOf(rig.pen.lines, 'from the client').length === 3000, 'it is dumped');
        expect(dumps().every((line) => Number(line.split(':')[0]) <= 1024)).toBe(true);
        await quiet();
        const before = dumps().length;
        await pass(500);
        await rig.pass(60);
        expect(dumps().length).toBe(before);
      });

      test('show bulk, too, which goes on unchanged when they begin and when they end', async () => {
        const { client, server } = await rig.pair();
        // What is on its way is little, so that the reader of stderr keeps up.
        const pass = async (bytes: number): Promise<void> => {
          const before = client.received;
          server.send(bytes);
          await rig.until(() => client.received === before + bytes, 'it arrives', 20_000);
        };
        await pass(8 * MIB);
        await debug(3);
        await pass(MIB);
        await allShown();
        expect(dumps().length).toBeGreaterThan(0);
        for (let i = 0; i < 5; i++) {
          const from = rig.pen.lines.length;
          const seen = (): number => bytesOf(rig.pen.lines.slice(from), 'from the server').length;
          await pass(10_000);
          await rig.until(
            () => seen() >= 10_000,
            () => `${seen()} bytes are dumped`,
          );
          await allShown();
          expect(seen()).toBe(10_000);
        }
        await quiet();
        await pass(8 * MIB);
      });

      test('that are too many are dropped and counted, and nobody waits for whoever reads them', async () => {
        await debug(3);
        const stderr = rig.pen.child.stderr!;
        stderr.pause();
        const before = rig.pen.lines.length;
        for (let i = 0; i < 3; i++) await exchange(rig, 4 * MIB);
        stderr.resume();
        await debug(0);
        const lines = (): string[] => rig.pen.lines.slice(before);
        const dropped = (): number =>
          lines().reduce((sum, line) => sum + Number(/ not dumped, for want of room: (\d+)$/.exec(line)?.[1] ?? 0), 0);
        const shown = (): number => lines().filter(isDump).length;
        // Each piece is shown or counted, also when dumps end before it is; 24 MiB are at least so many.
        await rig.until(
          () => shown() + dropped() >= (24 * MIB) / 1024,
          () => `${shown()} pieces are shown, ${dropped()} counted`,
          20_000,
        );
        expect(dropped()).toBeGreaterThan(0);
      }, 60_000);
    }),
  );
}

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'dumps of two workers', () =>
    onOneLoop(loop, { options: ['-ddd', '-O', 'workers 2'] }, (rig) => {
      test('show every byte once, each with the connection it is of', async () => {
        const before = rig.pen.lines.length;
        for (let i = 0; i < 12; i++) await exchange(rig, 700);
        const lines = (): string[] => rig.pen.lines.slice(before);
        for (const peer of ['client', 'server']) {
          await rig.until(() => bytesOf(lines(), `from the ${peer}`).length >= 12 * 700, `those of the ${peer}`);
          expect(bytesOf(lines(), `from the ${peer}`).length).toBe(12 * 700);
        }
        const numbers = new Set(lines().map((line) => /connection (\d+), from/.exec(line)?.[1] ?? ''));
        const halves = new Set([...numbers].filter((number) => number !== '').map((number) => Number(number) >= 1000));
        expect(halves.size, 'both workers have had connections').toBe(2);
      });
    }),
  );
}

needs({ linux: true }, 'dumps in the background', () => {
  test('are not written anywhere', async () => {
    const { control: at, options: said } = dumping('-ddd');
    const server = await listening();
    const port = await freePort(HOST);
    const pen = spawn(process.execPath, [PEN, ...said, `${HOST}:${port}`, server.address], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [pen.stdout, pen.stderr])
      stream.setEncoding('latin1').on('data', (more: string) => (text += more));
    await once(pen, 'exit');
    expect(pen.exitCode, text).toBe(0);
    const pid = Number(await ask(at, 'pid\n'));
    try {
      await talk(await connected(port, pen), server);
    } finally {
      process.kill(pid, 'SIGTERM');
      server.listener.close();
    }
    expect(text.split('\n').filter(isDump)).toEqual([]);
  });
});
