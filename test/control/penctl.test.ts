/** penctl against servers that answer, and others: what it prints and how it ends. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../support/control.ts';
import { needs } from '../support/skip.ts';

const PENCTL = fileURLToPath(new URL('../../dist/bin/penctl.js', import.meta.url));
const LONG_ANSWER = 3_000_000;

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function serve(host: string, onLine: (socket: Socket, line: string) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket);
    let line = '';
    socket.on('error', () => undefined).setEncoding('utf8');
    socket.on('data', (text: string) => {
      line += text;
      if (line.endsWith('\n')) onLine(socket, line);
    });
  }).listen(0, host);
  servers.push(server);
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function penctl(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [PENCTL, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

test('prints the whole answer, however long and in however many pieces', async () => {
  const port = await serve('127.0.0.1', (socket, line) => {
    for (let sent = 0; sent < LONG_ANSWER; sent += 10_000) socket.write('x'.repeat(10_000));
    socket.end(line);
  });
  const { code, stdout, stderr } = await penctl(`127.0.0.1:${port}`, 'recent', '5');
  expect({ code, length: stdout.length, end: stdout.slice(-9), stderr }).toEqual({
    code: 0,
    length: LONG_ANSWER + 9,
    end: 'recent 5\n',
    stderr: '',
  });
});

test('whoever reads the answer may have seen enough', async () => {
  const port = await serve('127.0.0.1', (socket) => socket.end('x'.repeat(LONG_ANSWER)));
  const child = spawn(process.execPath, [PENCTL, `127.0.0.1:${port}`, 'servers'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(1);
  expect(stderr).toBe('');
});

needs({ linux: true }, 'a full disk', () => {
  test('is told of', async () => {
    const port = await serve('127.0.0.1', (socket) => socket.end('answer'));
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [PENCTL, `127.0.0.1:${port}`, 'mode'], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
    expect(stderr).toMatch(/^penctl: the answer cannot be printed \(ENOSPC: .*\)\n$/);
  });
});

test('an answer may be empty', async () => {
  const port = await serve('127.0.0.1', (socket) => socket.end());
  expect(await penctl(`127.0.0.1:${port}`, 'weight')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('without enough words it tells how it is used', async () => {
  expect(await penctl()).toMatchObject({ code: 0, stderr: '' });
  expect((await penctl('127.0.0.1:1')).stdout).toMatch(/^usage: penctl /);
});

test('fails with one line when it is reset, when nobody listens, when the name is unknown', async () => {
  const port = await serve('127.0.0.1', (socket) => socket.resetAndDestroy());
  expect(await penctl(`127.0.0.1:${port}`, 'mode')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'penctl: the answer did not come (ECONNRESET)\n',
  });
  const free = await freePort();
  expect((await penctl(`127.0.0.1:${free}`, 'mode')).stderr).toBe(
    `penctl: cannot connect to 127.0.0.1:${free} (ECONNREFUSED)\n`,
  );
  expect((await penctl('/no/such/socket', 'mode')).stderr).toBe('penctl: cannot connect to /no/such/socket (ENOENT)\n');
  expect(await penctl('no-such-host.invalid:1', 'mode')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^penctl: host 'no-such-host\.invalid' cannot be resolved \(E[A-Z_]+\)\n$/),
  });
});

test('waits ten seconds for an answer, not for ever', async () => {
  const port = await serve('127.0.0.1', () => undefined);
  expect(await penctl(`127.0.0.1:${port}`, 'mode')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'penctl: the answer did not come (ETIMEDOUT)\n',
  });
});

test('takes an IPv6 address in brackets and without', async () => {
  const port = await serve('::1', (socket, line) => socket.end(line));
  expect((await penctl(`[::1]:${port}`, 'a')).stdout).toBe('a\n');
  expect((await penctl(`::1:${port}`, 'b')).stdout).toBe('b\n');
});
