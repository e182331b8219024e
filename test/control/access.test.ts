/** Access lists in a running Pen, by name, by country and for unix sockets; over two workers where there are two. */
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { countryFile } from '../../src/geo/mmdb.suite.ts';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { Pen } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-access-'));
const CONTROL = join(FOLDER, 'control');
const COUNTRIES = join(FOLDER, 'countries.mmdb');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);

let server: Server;
let pen: Pen | undefined;
beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => undefined).end('served'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  if (pen?.isAlive === true) await pen.stop();
});
afterAll(() => {
  server.close();
  rmSync(FOLDER, { recursive: true });
});

async function start(commands: readonly string[], listen?: string): Promise<Pen> {
  const { port } = server.address() as AddressInfo;
  const options = ['-r', '-C', CONTROL, ...AS_WHO_WE_ARE, ...commands.flatMap((command) => ['-O', command])];
  pen = await Pen.start({ options, servers: [`127.0.0.1:${port}`], ...(listen !== undefined && { listen }) });
  return pen;
}

/** What a client is given: `served`, or nothing. */
async function visit(from: { localAddress: string; port: number } | { path: string }): Promise<string> {
  const socket = connect('path' in from ? from : { host: '127.0.0.1', ...from });
  let got = '';
  socket.on('data', (bytes) => (got += bytes.toString())).on('error', () => undefined);
  await new Promise((resolve) => socket.on('close', resolve));
  return got;
}

/** What clients at 127.0.0.1 and 127.0.0.2 are given, several of them so that every worker has some. */
async function visits(): Promise<string> {
  const port = pen?.port ?? 0;
  const got = [1, 2].map(async (last) => {
    const all = Array.from({ length: 6 }, async () => visit({ localAddress: `127.0.0.${last}`, port }));
    return [...new Set(await Promise.all(all))].join('/') || 'denied';
  });
  return (await Promise.all(got)).join(' ');
}

function writeCountries(networks: Readonly<Record<string, string>>): void {
  writeFileSync(`${COUNTRIES}.new`, countryFile(networks));
  renameSync(`${COUNTRIES}.new`, COUNTRIES);
}

needs({ linux: true }, 'access lists', () => {
  test('have names, and one that is used is not taken away', async () => {
    await start(['client_acl office', 'workers 2', 'acl office permit 127.0.0.1']);
    expect(await visits()).toBe('served denied');
    expect(await say('acl office permit 127.0.0.2')).toBe('');
    expect(await visits()).toBe('served served');
    expect(await say('no acl office')).toBe(
      "acl: list 'office' would be gone, but client_acl uses it; have client_acl use another list first\n",
    );
    expect(await say('server 0 acl nobody')).toMatch(/^server 0 acl: there is no access list 'nobody'/);
    expect(await say('client_acl nobody'), 'which answers with what is in force').toBe('office\n');
    await say('acl cellar deny 127.0.0.2');
    expect(await say('client_acl cellar')).toBe('cellar\n');
    expect(await say('no acl office'), 'nothing uses it any more; the others keep their places').toBe('');
    expect(await visits()).toBe('served denied');
  });

  test('that a server names decide for that server', async () => {
    await start(['acl office permit 127.0.0.2', 'server 0 acl office']);
    expect(await visits()).toBe('denied served');
  });

  test('permit and deny countries, by a file that is read when it is named', async () => {
    writeCountries({ '127.0.0.1/32': 'SE', '127.0.0.2/31': 'DE' });
    await start(['acl 1 permit country SE', 'client_acl 1', 'workers 2', `geoip ${COUNTRIES}`]);
    expect(await visits()).toBe('served denied');
    expect(await say('acl 1 permit country DE')).toBe('');
    expect(await visits()).toBe('served served');
    expect(await say(`geoip ${FOLDER}/missing`)).toBe(`geoip: there is no file ${FOLDER}/missing\n`);
    expect(await say('geoip'), 'the file in force').toBe(`${COUNTRIES}\n`);
    writeFileSync(`${COUNTRIES}.other`, countryFile({ '127.0.0.2/31': 'SE' }).subarray(50));
    expect(await say(`geoip ${COUNTRIES}.other`)).toMatch(/^geoip: .*\.other is not a whole MaxMind file: /);
    expect(await visits()).toBe('served served');
  });

  test('take effect anew on SIGHUP, unless the file is damaged', async () => {
    writeCountries({ '127.0.0.1/32': 'SE', '127.0.0.2/31': 'DE' });
    const { child } = await start(['acl 1 permit country SE', 'client_acl 1', 'workers 2', `geoip ${COUNTRIES}`]);
    expect(await visits()).toBe('served denied');
    writeCountries({ '127.0.0.1/32': 'DE', '127.0.0.2/31': 'SE' });
    expect(await say('acl 1 deny 10.0.0.1'), 'a command does not look at the file').toBe('');
    await say('no acl 1');
    await say('acl 1 permit country SE');
    expect(await visits()).toBe('served denied');
    child.kill('SIGHUP');
    await pen?.line(/SIGHUP: there is no file of commands/);
    expect(await visits()).toBe('denied served');
    truncateSync(COUNTRIES, 100);
    child.kill('SIGHUP');
    await pen?.line(/geoip: .* is not a whole MaxMind file: it has no description/);
    expect(await visits()).toBe('denied served');
  });

  test('stop a start that cannot have its countries', async () => {
    const options = ['-O', 'acl 0 deny country SE', '-O', `geoip ${FOLDER}/missing`];
    const { exit, lines } = await Pen.run({ options, servers: ['127.0.0.1:9'] });
    expect([exit.code, lines.join('\n')]).toEqual([1, `pen: -O 'geoip': there is no file ${FOLDER}/missing`]);
  });

  test('speak of unix sockets only when they say so', async () => {
    const path = join(FOLDER, 'clients');
    await start(['acl 1 deny 0.0.0.0/0', 'acl 1 deny ::/0', 'client_acl 1', 'acl closed deny unix'], path);
    expect(await visit({ path })).toBe('served');
    expect(await say('acl 1 deny unix')).toBe('');
    expect(await visit({ path })).toBe('');
    expect(await say('control_acl closed')).toBe('closed\n');
    await expect(say('client_acl'), 'closed without an answer').rejects.toThrow('ECONNRESET');
  });
});
