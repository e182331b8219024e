/** What peers of the control socket may do to it: nothing that anybody else notices. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, Visitor } from '../support/control.ts';
import { isLong, onEachLoop, type Rig } from '../support/rig.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-control-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');

const MODE = 'no hash roundrobin no stubborn no weight no prio\n';
const STALLED = 160;
const LINE_MAX = 65_536;
/** Servers enough for an answer that no socket buffer holds. */
const MANY = 40_000;
/** Readers of it: if Pen held the answers of so many, the memory it may take would not suffice. */
const SLOW = 10;
const KIB = 1024;
/** Lines that set nothing. */
const NONSENSE: readonly string[] = [
  'server 0 max many\n',
  'server 99999 max 1\n',
  'acl 1 maybe 10.0.0.1\n',
  'acl 1 permit 256.0.0.1\n',
  'blacklist abc\n',
  'timeout 0\n',
  'listen a:b:c\n',
  'close 99999999\n',
  'connection -7\n',
  'no no\n',
  'help help help\n',
  `${'9'.repeat(4000)}\n`,
  '\0\u{1F600}\n',
  'half a line',
];

/** Asks, and takes nothing of the answer yet. */
async function askSlowly(line: string): Promise<Visitor> {
  const visitor = await Visitor.open(CONTROL);
  visitor.socket.pause();
  visitor.socket.write(line);
  return visitor;
}

/** Main keeps deadlines by itself, so that one loop is enough for those that take long. */
const isPatient = (rig: Rig): boolean => rig.loop === 'epoll';

onEachLoop('control', { options: ['-C', CONTROL, ...AS_WHO_WE_ARE] }, (rig) => {
  /** Some clients are served from beginning to end. */
  async function expectTraffic(): Promise<void> {
    for (const { client, server } of await rig.pairs(20)) {
      client.send(64 * KIB);
      server.send(64 * KIB);
      await rig.until(() => client.received === 64 * KIB && server.received === 64 * KIB, 'bytes arrive');
      client.close();
      server.close();
    }
  }

  test('C1: more peers that say nothing than there is room for lock nobody out, neither clients nor operators', async () => {
    const stalled: Visitor[] = [];
    for (let i = 0; i < STALLED; i++) stalled.push(await Visitor.open(CONTROL));
    for (const { socket } of stalled.slice(80)) socket.write('mo');
    await expectTraffic();
    for (let i = 0; i < 10; i++) expect(await ask(CONTROL, 'mode\n')).toBe(MODE);
    expect(stalled.filter(({ ending }) => ending !== '').length, 'those who came first made room').toBeGreaterThan(60);
    // Nobody waits for the others longer than a line may take.
    await Promise.all(stalled.map(async (visitor) => visitor.over()));
    expect(await ask(CONTROL, 'mode\n')).toBe(MODE);
  });

  test.each([
    ['a line end', 'mode\n', MODE],
    ['the end of the stream', 'mode', MODE],
    ['CR and LF', 'mode\r\n', MODE],
    ['CR', 'mode\rblacklist 9\r', MODE],
    ['the first line end, whatever follows', 'mode\nblacklist 9\nblacklist 8\n', MODE],
    ['nothing at all', '', ''],
    ['an empty line', '\nmode\n', ''],
    ['a comment', '# mode\n', ''],
    ['tabs', '\tmode\t \n', MODE],
    ['a surplus word', 'mode now\n', MODE],
    ['an unknown word', 'EXIT\n', "do_cmd: ignoring command starting with 'EXIT'\n"],
  ])('a command ends with %s', async (_, bytes, reply) => {
    expect(await ask(CONTROL, bytes)).toBe(reply);
    expect(await ask(CONTROL, 'blacklist')).toBe('30\n');
  });

  test('a command in pieces is one command', async () => {
    const visitor = await Visitor.open(CONTROL);
    for (const letter of 'mode') {
      visitor.socket.write(letter);
      await rig.pass(5);
    }
    visitor.socket.write('\n');
    expect(await visitor.whole(), 'answered without its half-close').toBe(MODE);
  });

  test('C2: a command may be long, but not longer than that', async () => {
    expect(await ask(CONTROL, `mode ${'x'.repeat(LINE_MAX - 6)}\n`)).toBe(MODE);
    const tooLong = `pen: a command has at most ${LINE_MAX} bytes\n`;
    expect(await ask(CONTROL, `${'x'.repeat(LINE_MAX + 1)}\n`)).toBe(tooLong);
    expect(await ask(CONTROL, 'x'.repeat(LINE_MAX * 20)), 'a whole answer, not a reset').toBe(tooLong);
  });

  test.each([
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST / HTTP/1.0\r\n\r\nblacklist 9\n',
    'OPTIONS * HTTP/1.1\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'blacklist /?x HTTP/1.1\n',
  ])('C3: who speaks HTTP is not spoken to: %j', async (bytes) => {
    expect(await ask(CONTROL, bytes)).toBe('');
    expect(await ask(CONTROL, 'blacklist')).toBe('30\n');
  });

  test('C2: bytes that are no text, and peers that vanish, do no harm', async () => {
    expect(await ask(CONTROL, Uint8Array.of(0x16, 3, 1, 2, 0, 255, 254, 10))).toContain('do_cmd: ignoring command');
    for (let i = 0; i < 50; i++) {
      const visitor = await Visitor.open(CONTROL);
      if (i % 2 === 0) visitor.socket.write('servers\n');
      visitor.socket.destroy();
    }
    expect(await ask(CONTROL, 'mode')).toBe(MODE);
  });

  test('C1: traffic goes on beside a hundred peers that stall and others that talk nonsense', async () => {
    const stalled: Visitor[] = [];
    for (let i = 0; i < 100; i++) stalled.push(await Visitor.open(CONTROL));
    for (const { socket } of stalled.slice(50)) socket.write('mo');
    const end = new AbortController();
    let lines = 0;
    const talk = async (): Promise<void> => {
      while (!end.signal.aborted) await ask(CONTROL, NONSENSE[lines++ % NONSENSE.length] ?? '');
    };
    const talkers = Array.from({ length: 4 }, talk);
    const rounds = isLong ? 200 : 4;
    for (let i = 0; i < rounds || lines <= NONSENSE.length; i++) await expectTraffic();
    end.abort();
    await Promise.all(talkers);
    expect(await ask(CONTROL, 'mode\n')).toBe(MODE);
    for (const { socket } of stalled) socket.destroy();
  });

  test('C5: readers of long answers get all of them, however slow they are, and nobody waits for them', async () => {
    expect(await ask(CONTROL, `server ${MANY} max 1\n`)).toBe('');
    const slow = await Promise.all(Array.from({ length: SLOW }, async () => askSlowly('servers\n')));
    const others = await Promise.all(['status\n', '--json servers\n'].map(async (line) => askSlowly(line)));
    await rig.pass(100);
    await expectTraffic();
    expect(await ask(CONTROL, 'mode')).toBe(MODE);
    for (const { socket } of [...slow, ...others]) socket.resume();
    for (const visitor of slow) {
      const lines = (await visitor.whole()).split('\n');
      expect([lines.length, lines.at(-2)?.slice(0, 30)]).toEqual([MANY + 2, `${MANY} addr 0.0.0.0 port 0 conn`]);
    }
    const [page = '', json = ''] = await Promise.all(others.map(async (visitor) => visitor.whole()));
    expect([page.split('<tr>').length > MANY, page.slice(-8)]).toEqual([true, '</html>\n']);
    expect((JSON.parse(json) as { servers: unknown[] }).servers.length).toBe(MANY + 1);
  });

  if (!isPatient(rig)) return;

  test('C1: half a command is not obeyed when its time is over', async () => {
    const late = await Visitor.open(CONTROL);
    late.socket.write('blacklist 77');
    await late.over();
    expect(await ask(CONTROL, 'blacklist\n')).toBe('30\n');
  });

  test('C5: who takes nothing of its answer is dropped in the end', async () => {
    await ask(CONTROL, `server ${MANY} max 1\n`);
    const visitor = await Visitor.open(CONTROL);
    visitor.socket.pause();
    visitor.socket.write('servers\n');
    await rig.pass(13_000);
    await visitor.over();
    expect(visitor.received.length, 'what the kernel held, not all').toBeLessThan(MANY * 50);
    expect(await ask(CONTROL, 'mode')).toBe(MODE);
  });
});
