/** The control socket as a file and as a port: who may open it, who may use it, how it goes. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Pen, type PenOptions } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-control-'));
const PATH = join(FOLDER, 'control.sock');
const SERVERS = ['127.0.0.1:9'];
const EXIT_REFUSED = 'Exit is not enabled; restart with -X flag\n';
const isRoot = process.getuid?.() === 0;

const running: Pen[] = [];
const servers: Server[] = [];
afterEach(async () => {
  for (const pen of running.splice(0)) if (pen.isAlive) await pen.stop();
  for (const server of servers.splice(0)) server.close();
  rmSync(PATH, { force: true });
});
afterAll(() => rmSync(FOLDER, { recursive: true }));

async function start(control: string, options: readonly string[] = [], more: Partial<PenOptions> = {}): Promise<Pen> {
  const all = ['-C', control, ...AS_WHO_WE_ARE, ...options];
  const pen = await Pen.start({ servers: SERVERS, ...more, options: all });
  running.push(pen);
  return pen;
}

async function refusal(...options: string[]): Promise<string> {
  const { exit, lines } = await Pen.run({ servers: SERVERS, options });
  return `${exit.code}: ${lines.join('\n')}`;
}

needs({ linux: true }, 'a unix control socket', () => {
  test("C3: is its owner's alone, and gone when Pen is", async () => {
    const pen = await start(PATH);
    expect(statSync(PATH).mode & 0o777).toBe(0o600);
    expect(await ask(PATH, 'control')).toBe(`${PATH}\n`);
    expect((await pen.stop()).code).toBe(0);
    expect(existsSync(PATH)).toBe(false);
  });

  test('that a killed Pen left behind is replaced', async () => {
    const pen = await start(PATH);
    await pen.stop('SIGKILL');
    expect(existsSync(PATH)).toBe(true);
    await start(PATH);
    expect(await ask(PATH, 'pid')).not.toBe('');
  });

  test('that somebody answers on is not, nor is a file', async () => {
    const pen = await start(PATH);
    expect(await refusal('-C', PATH, ...AS_WHO_WE_ARE)).toMatch(
      /^1: pen: -C: .*control\.sock: somebody answers on this socket/,
    );
    expect(await ask(PATH, 'pid')).toBe(`${pen.pid}\n`);
    const file = join(FOLDER, 'precious');
    writeFileSync(file, 'kept');
    expect(await refusal('-C', file, ...AS_WHO_WE_ARE)).toMatch(/^1: pen: -C: .*precious/);
    expect(statSync(file).size).toBe(4);
  });

  test('C7: may end Pen, if that was allowed', async () => {
    const careful = await start(PATH);
    expect(await ask(PATH, 'exit')).toBe(EXIT_REFUSED);
    expect(careful.isAlive).toBe(true);
    await careful.stop();
    const generous = await start(PATH, ['-X']);
    expect(await ask(PATH, 'exit')).toBe('');
    expect((await generous.ended).code).toBe(0);
    expect(existsSync(PATH)).toBe(false);
  });
});

needs({ linux: true }, 'a TCP control port', () => {
  test('answers with its address as it was given', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await start(address);
    expect(await ask(address, 'control')).toBe(`${address}\n`);
  });

  test('C3: obeys whom its access list permits; others are reset', async () => {
    const port = await freePort();
    const address = `127.0.0.1:${port}`;
    await start(address);
    expect(await ask(address, 'acl 4 permit 127.0.0.2')).toBe('');
    expect(await ask(address, 'control_acl 4')).toBe('4\n');
    expect(await ask(address, 'mode').catch(String)).toContain('ECONNRESET');
    const other = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }).end('control_acl\n');
    const [reply] = (await once(other, 'data')) as [Buffer];
    expect(String(reply)).toBe('4\n');
  });

  test('C3: that anybody on the network reaches is warned about', async () => {
    const open = await start(`0.0.0.0:${await freePort()}`);
    expect(open.lines.join('\n')).toContain('anybody who reaches the control port');
    const careful = await start(`0.0.0.0:${await freePort()}`, ['-O', 'acl 1 permit 127.0.0.1', '-O', 'control_acl 1']);
    const local = await start(`127.0.0.1:${await freePort()}`);
    expect([...careful.lines, ...local.lines].join('\n')).not.toContain('anybody');
  });

  test('that cannot be had ends the start', async () => {
    const server = createServer().listen(await freePort(), '127.0.0.1');
    servers.push(server);
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    expect(await refusal('-C', `127.0.0.1:${port}`, ...AS_WHO_WE_ARE)).toMatch(
      /^1: pen: -C: .*another socket has this port/,
    );
    expect(await refusal('-C', '70000', ...AS_WHO_WE_ARE)).toMatch(/^1: pen: -C: port '70000' is neither/);
    expect(await refusal('-C', '', ...AS_WHO_WE_ARE)).toMatch(/^1: pen: -C: /);
  });
});

needs({ linux: true, root: true }, 'as root', () => {
  test.each([PATH, '127.0.0.1:28999'])('V2: %s is opened for those only who mean it', async (control) => {
    expect(isRoot).toBe(true);
    const pen = await Pen.start({ servers: SERVERS, options: ['-C', control] });
    running.push(pen);
    expect(pen.lines.join('\n')).toContain("Won't open control port");
    await expect(ask(control, 'mode')).rejects.toThrow();
  });
});
