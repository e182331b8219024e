/** The file of a running Pen read again: on SIGHUP, and when it is told to by the control socket. */
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { Server } from '../support/server.ts';
import { unix } from '../support/sockets.ts';

const FOLDER = new Folder();
const CONTROL = FOLDER.at('control');
const FILE = FOLDER.at('pen.cfg');

let pen: Pen;
let servers: readonly Server[] = [];

beforeEach(() => {
  servers = [new Server(), new Server()];
});
afterEach(async () => {
  Peer.closeAll();
  for (const server of servers) server.close();
  const exit = pen.isAlive ? await pen.stop() : await pen.ended;
  expect(exit.code, pen.lines.join('\n')).toBe(0);
});

/** The line that makes server N the one of these. */
function serverLine(n: number, which: number, more = ''): string {
  return `server ${n} address 127.0.0.1 port ${servers[which]?.port} ${more}\n`;
}

async function start(text: string, ...options: readonly string[]): Promise<void> {
  FOLDER.write('pen.cfg', text);
  pen = await Pen.start({ servers: [], options: ['-r', '-F', FILE, '-C', CONTROL, ...AS_WHO_WE_ARE, ...options] });
}

/** Changes the file, or takes it away, says so by SIGHUP, and waits for what Pen says. */
async function hangUp(text: string | undefined, answer: RegExp): Promise<readonly string[]> {
  const said = pen.lines.length;
  if (text === undefined) rmSync(FILE);
  else FOLDER.write('pen.cfg', text);
  pen.child.kill('SIGHUP');
  await reactor().until(() => pen.lines.slice(said).some((line) => answer.test(line)), `Pen says ${answer}`);
  return pen.lines.slice(said).map((line) => line.replace(/^[-0-9]* [:0-9]*: /, '').replaceAll(`${FOLDER.path}/`, ''));
}

/** Which server a new client comes to. */
async function served(endpoint = pen.endpoint): Promise<number> {
  const client = Peer.connect(endpoint);
  const find = (): number => servers.findIndex(({ waiting }) => waiting.length > 0);
  await reactor().until(() => find() >= 0 || client.ending !== '', 'a client is served');
  const which = find();
  servers[which]?.waiting.shift()?.close();
  client.close();
  return which;
}

describe('on SIGHUP', () => {
  test('the file is obeyed as a difference: who is there stays, who comes goes where it says now', async () => {
    await start(serverLine(0, 0));
    const client = Peer.connect(pen.endpoint);
    await reactor().until(() => servers[0]?.waiting.length === 1, 'the client is served');
    const peer = servers[0]?.waiting.shift();
    const said = await hangUp(serverLine(0, 1, 'max 5') + 'blacklist 9\n', /read again/);
    expect(said).toEqual(['pen.cfg read again: 2 lines change']);
    expect(await served()).toBe(1);
    expect(await ask(CONTROL, 'blacklist')).toBe('9\n');
    client.send(1000);
    await reactor().until(() => peer?.received === 1000, 'the bytes arrive where the client is');
    expect([client.ending, peer?.ending]).toEqual(['', '']);
  });

  test('H4: a server that is gone keeps who it has and gets nobody, and counts on when its number is used again', async () => {
    await start(serverLine(0, 0) + serverLine(1, 1));
    const clients = [Peer.connect(pen.endpoint), Peer.connect(pen.endpoint)];
    const has = (which: number): boolean => servers[which]?.waiting.length === 1;
    await reactor().until(() => has(0) && has(1), 'the clients are served');
    const [first, second] = servers.map(({ waiting }) => waiting.shift());
    await hangUp(serverLine(0, 0), /read again/);
    expect(await ask(CONTROL, 'servers')).toMatch(/^0 addr [^\n]*\n$/);
    for (let i = 0; i < 3; i++) expect(await served()).toBe(0);
    // Another server with the number of the one that is gone, which still has its client.
    await hangUp(serverLine(0, 0) + serverLine(1, 0), /read again/);
    await reactor().until(() => (first?.received ?? 0) === 0, 'nobody has said anything');
    expect(await ask(CONTROL, 'servers')).toMatch(/\n1 addr \S+ port \d+ conn 1 /);
    for (const client of clients) client.send(700);
    await reactor().until(
      () => first?.received === 700 && second?.received === 700,
      'the bytes arrive where they were',
    );
    for (const peer of [...clients, first, second]) peer?.close();
    for (let servers = ''; !/\n1 addr \S+ port \d+ conn 0 /.test(servers);) servers = await ask(CONTROL, 'servers');
  });

  test('H2: a file with a mistake changes nothing, whatever else it says, and each mistake is told', async () => {
    await start(serverLine(0, 0));
    const before = await ask(CONTROL, 'servers');
    const said = await hangUp(`blacklist 9\n${serverLine(0, 1)}stubborm\nlisten nowhere\nserver 1 max -1\n`, /stays/);
    expect(said).toEqual([
      "pen.cfg:3 'stubborm': there is no such command; 'help' lists them",
      "pen.cfg:4 'listen': port 'nowhere' is neither a number from 0 to 65535 nor a service in /etc/services",
      "pen.cfg:5 'server': max: '-1' is not a whole number from 0 to 2147483647",
      'nothing is read again: all stays as it is',
    ]);
    expect(await ask(CONTROL, 'servers')).toBe(before);
    expect(await ask(CONTROL, 'blacklist')).toBe('30\n');
    expect(await served()).toBe(0);
  });

  test('a file that is gone, empty or without servers changes nothing', async () => {
    await start(serverLine(0, 0));
    expect((await hangUp(undefined, /stays/))[0]).toMatch(/^reload: there is no file .*pen\.cfg'/);
    expect(await hangUp('', /stays/)).toContain('pen.cfg: says no server any more, so nobody would be served');
    expect(await served()).toBe(0);
  });

  test('H3: a listener that cannot be had leaves the old one, and all else', async () => {
    await start(serverLine(0, 0));
    const said = await hangUp(`${serverLine(0, 1)}listen 127.0.0.1:${servers[1]?.port}\n`, /stays/);
    expect(said[0]).toMatch(/^pen\.cfg:2 'listen address': cannot listen on .*another socket has this port/);
    expect(await served()).toBe(0);
  });

  test('H3: another listener takes new clients, and those of the old one stay', async () => {
    await start(`${serverLine(0, 0)}listen 127.0.0.1:0\n`);
    const old = pen.endpoint;
    const client = Peer.connect(old);
    await reactor().until(() => servers[0]?.waiting.length === 1, 'the client is served');
    const peer = servers[0]?.waiting.shift();
    const path = FOLDER.at('listener');
    await hangUp(`${serverLine(0, 0)}listen ${path}\n`, /read again/);
    expect(await served(unix(path))).toBe(0);
    while (await isOpen(old)) await new Promise((resolve) => setTimeout(resolve, 10));
    client.send(500);
    await reactor().until(() => peer?.received === 500, 'the old client is still served');
  });

  test('H8: again and again, and other signals between, the last file counts', async () => {
    await start(serverLine(0, 0));
    const lines = pen.lines.length;
    for (let i = 1; i <= 300; i++) {
      FOLDER.write('pen.cfg', `${serverLine(0, 0)}blacklist ${i}\n`);
      pen.child.kill('SIGHUP');
      if (i % 3 === 0) pen.child.kill('SIGUSR1');
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await reactor().until(() => pen.lines.slice(lines).some((line) => line.includes('read again')), 'it was read');
    for (let got = ''; got !== '300\n';) got = await ask(CONTROL, 'blacklist');
    expect(await served()).toBe(0);
    pen.child.kill('SIGHUP');
    pen.child.kill('SIGTERM');
    expect((await pen.ended).code).toBe(0);
  });
});

async function isOpen(endpoint: typeof pen.endpoint): Promise<boolean> {
  const client = Peer.connect(endpoint);
  await reactor().until(() => client.isConnected || client.ending !== '', 'it is known');
  const isRefused = client.ending !== '';
  client.close();
  return !isRefused;
}

describe('by the control socket', () => {
  test('plan tells what reload would change, reload does it, and tells what is wrong', async () => {
    await start(serverLine(0, 0));
    Peer.connect(pen.endpoint);
    await reactor().until(() => servers[0]?.waiting.shift() !== undefined, 'the client is served');
    expect(await ask(CONTROL, 'plan')).toBe('nothing would change\n');
    FOLDER.write('pen.cfg', serverLine(0, 1));
    const plan = await ask(CONTROL, `plan ${FILE}`);
    expect(plan.split('\n').slice(2)).toEqual([
      'server 0 changes: 1 connections go on to their end',
      '1 connections touched, none ended',
      '',
    ]);
    expect(await served()).toBe(0);
    expect(await ask(CONTROL, 'reload')).toBe('');
    expect(await served()).toBe(1);
    FOLDER.write('pen.cfg', 'nonsense\n');
    expect(await ask(CONTROL, 'plan')).toBe(`${FILE}:1 'nonsense': there is no such command; 'help' lists them\n`);
    expect(await ask(CONTROL, 'reload')).toBe(`${FILE}:1 'nonsense': there is no such command; 'help' lists them\n`);
    expect(await ask(CONTROL, 'plan /nowhere')).toBe("reload: there is no file '/nowhere'\n");
    expect(await served()).toBe(1);
  });

  test('plan refuses what reload would refuse, tells what is done, and touches nobody', async () => {
    const first = `${serverLine(0, 0)}acl office permit 127.0.0.1\nclient_acl office\n`;
    await start(first);
    const taken = servers[1]?.port ?? 0;
    const path = FOLDER.at('listener');
    for (const [text, reason] of [
      [`${first}acl 1 deny country SE\ngeoip /nowhere\n`, /^\S+pen\.cfg:5 'geoip': there is no file \/nowhere/],
      [`${first}acl 1 deny country SE\n`, /^\S+pen\.cfg:4 'acl': there is no file that tells countries/],
      [`${first}server 0 acl no-list\n`, /^\S+pen\.cfg:4 'server 0 acl': there is no access list 'no-list'/],
      [`${first}conn_max 131000\n`, /^\S+pen\.cfg:4 'conn_max': 131000 connections need/],
      [
        serverLine(0, 0) + 'client_acl office\n',
        /^\S+pen\.cfg:2 'acl': list 'office' would be gone, but client_acl uses it/,
      ],
      [
        `${first}listen 127.0.0.1:${taken}\n`,
        /^\S+pen\.cfg:4 'listen address': cannot listen on .*another socket has this port/,
      ],
    ] as const) {
      FOLDER.write('pen.cfg', text);
      for (const command of ['plan', 'reload']) expect(await ask(CONTROL, command), command).toMatch(reason);
    }
    FOLDER.write('pen.cfg', `${first}listen ${path}\nserver 0 blacklist 0\n`);
    const plan = await ask(CONTROL, 'plan');
    expect(plan.replaceAll(`${FOLDER.path}/`, '').split('\n')).toEqual([
      expect.stringMatching(/^listen address: the file says listener, which counts/),
      expect.stringMatching(/^- listen 127\.0\.0\.1:\d+$/),
      '+ listen listener',
      'does server 0 blacklist 0',
      'the listener moves: all 0 connections go on',
      '0 connections touched, none ended',
      '',
    ]);
    expect(existsSync(path)).toBe(false);
    expect(await served()).toBe(0);
    expect(await ask(CONTROL, 'reload')).toBe('');
    expect(await served(unix(path))).toBe(0);
  });

  test('a file of countries that nothing needs may be gone, at a reload', async () => {
    await start(serverLine(0, 0));
    const said = await hangUp(`${serverLine(0, 0)}geoip /nowhere\nblacklist 7\n`, /read again/);
    expect(said[0]).toBe('geoip: there is no file /nowhere; no list asks for a country, so nothing needs it');
    expect(await ask(CONTROL, 'blacklist 8')).toBe('8\n');
    expect(await ask(CONTROL, 'acl 1 deny country SE')).toMatch(/^geoip: there is no file \/nowhere/);
  });

  test('include obeys all of a file or nothing', async () => {
    await start(serverLine(0, 0));
    const path = FOLDER.write('more', 'blacklist 5\ntimeout 9\n');
    expect(await ask(CONTROL, `include ${path}`)).toBe('');
    expect(await ask(CONTROL, 'timeout')).toBe('9\n');
    FOLDER.write('more', 'timeout 11\nblacklist often\nallow_exit\n');
    expect(await ask(CONTROL, `include ${path}`)).toBe(
      `${path}:2 'blacklist': 'often' is not a whole number from 0 to 10000000\n` +
        `${path}:3 'allow_exit': options and files may say it, the control socket must not\n`,
    );
    expect(await ask(CONTROL, 'timeout')).toBe('9\n');
    expect(await ask(CONTROL, 'include')).toBe('include: needs the name of a file\n');
    FOLDER.write('more', 'server 1 address 127.0.0.9\n');
    expect(await ask(CONTROL, `include ${path}`)).toBe('');
    const { port } = pen.endpoint as { readonly port: number };
    expect(await ask(CONTROL, 'servers'), 'the port of the listener').toContain(`\n1 addr 127.0.0.9 port ${port} conn`);
  });

  test('write makes a file that a new Pen reads to the same, for its owner alone', async () => {
    await start(
      `${serverLine(0, 0, 'max 3')}acl 4 permit 10.0.0.0/8\nno tcp_nodelay\nhash original\n`,
      '-p',
      FOLDER.at('a pid'),
    );
    await ask(CONTROL, 'server 3 address 127.0.0.9 port 99');
    expect(await ask(CONTROL, `write ${FOLDER.at('out')}`)).toBe('');
    const written = readFileSync(FOLDER.at('out'), 'utf8');
    expect(statSync(FOLDER.at('out')).mode & 0o777).toBe(0o600);
    expect(written).toMatch(
      /^# Generated by pen \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n# pen -f .*-F '.*pen\.cfg' -C \S+ 127\.0\.0\.1:\d+\nno acl 0\n/,
    );
    expect((await pen.stop()).code).toBe(0);
    pen = await Pen.start({ listen: '127.0.0.1:0', servers: [], options: ['-F', FOLDER.at('out'), ...AS_WHO_WE_ARE] });
    expect(await ask(CONTROL, `write ${FOLDER.at('again')}`)).toBe('');
    const body = (text: string): string => text.split('\n').slice(2).join('\n');
    expect(body(readFileSync(FOLDER.at('again'), 'utf8'))).toBe(body(written));
    expect(await served()).toBe(0);
  });

  test('write saves what was said, not what this machine makes of it', async () => {
    await start(serverLine(0, 0));
    expect(await ask(CONTROL, 'conn_max')).toBe('500\n');
    expect(await ask(CONTROL, 'conn_max 100'), 'it only grows').toBe('500\n');
    expect(await ask(CONTROL, `write ${FOLDER.at('out')}`)).toBe('');
    const written = readFileSync(FOLDER.at('out'), 'utf8');
    expect(written).toMatch(/\nclients_max 0\n[^]*\nconn_max 0\n/);
    expect(written).toContain('\nparked_max auto\n');
    expect(await ask(CONTROL, 'conn_max 501')).toBe('501\n');
    expect(await ask(CONTROL, `write ${FOLDER.at('out')}`)).toBe('');
    expect(readFileSync(FOLDER.at('out'), 'utf8')).toContain('\nconn_max 501\n');
    expect(await ask(CONTROL, '--json status')).toContain('"conn_max":501,');
  });

  test.each(['', 'allow_exit', 'control_dir'])('include takes back what write has saved (%s)', async (how) => {
    mkdirSync(FOLDER.at('saved'), { recursive: true });
    const places = `web_stats ${FOLDER.at('page')}\ncontrol_dir ${FOLDER.at('saved')}\n`;
    const more = how === 'control_dir' ? places : `${how}\n`;
    await start(
      `${serverLine(0, 0, 'max 3')}acl office permit 127.0.0.1\nclient_acl office\n${more}`,
      '-p',
      FOLDER.at('pid'),
    );
    const name = how === 'control_dir' ? 'now' : FOLDER.at('saved/now');
    expect(await ask(CONTROL, `write ${name}`)).toBe('');
    await ask(CONTROL, 'blacklist 77');
    await ask(CONTROL, 'acl office permit 127.0.0.2');
    await ask(CONTROL, 'server 0 max 4');
    expect(await ask(CONTROL, `include ${name}`)).toBe('');
    expect(await ask(CONTROL, `write ${name}2`)).toBe('');
    const body = (path: string): string => readFileSync(path, 'utf8').replace(/^# Generated.*/, '');
    expect(body(FOLDER.at('saved/now2'))).toBe(body(FOLDER.at('saved/now')));
  });

  test('what the control socket must not change it may say as it is', async () => {
    await start(`${serverLine(0, 0)}control_dir ${FOLDER.path}\n`, '-p', FOLDER.at('pid'));
    const refused = (name: string): string => `${name}: options and files may say it, the control socket must not\n`;
    for (const line of [
      `control ${CONTROL}`,
      'no allow_exit',
      `pid_file ${FOLDER.at('pid')}`,
      `control_dir ${FOLDER.path}`,
    ]) {
      expect(await ask(CONTROL, `--json ${line}`), line).not.toContain('error');
    }
    expect(await ask(CONTROL, 'allow_exit')).toBe(refused('allow_exit'));
    expect(await ask(CONTROL, 'exit')).toContain('Exit is not enabled');
    for (const line of [
      'control 127.0.0.1:9',
      'no pid_file',
      `pid_file ${FOLDER.at('other')}`,
      'no control_dir',
      'control_dir /',
    ]) {
      expect(await ask(CONTROL, `--json ${line}`), line).toContain('the control socket must not');
    }
    expect(await ask(CONTROL, 'control_dir')).toBe(`${FOLDER.path}\n`);
    expect(await ask(CONTROL, 'pid_file')).toBe(`${FOLDER.at('pid')}\n`);
  });

  test('C4: write goes to the file of -F by itself, through no link, and says what failed', async () => {
    await start(serverLine(0, 0));
    await ask(CONTROL, 'blacklist 77');
    expect(await ask(CONTROL, 'write')).toBe('');
    expect(readFileSync(FILE, 'utf8')).toContain('\nblacklist 77\n');
    symlinkSync(FILE, FOLDER.at('link'));
    expect(await ask(CONTROL, `write ${FOLDER.at('link')}`)).toBe(
      `write: cannot write '${FOLDER.at('link')}': it is a symbolic link, which is not followed\n`,
    );
    expect(lstatSync(FOLDER.at('link')).isSymbolicLink()).toBe(true);
    expect(await ask(CONTROL, 'write /nowhere/x')).toBe(
      "write: cannot write '/nowhere/x': the folder does not exist\n",
    );
  });

  test('C4: files are those of control_dir, where it is set', async () => {
    mkdirSync(FOLDER.at('dir'));
    FOLDER.write('dir/more', 'blacklist 3\n');
    FOLDER.write('outside', 'blacklist 4\n');
    symlinkSync(FOLDER.at('outside'), FOLDER.at('dir/link'));
    await start(`${serverLine(0, 0)}control_dir ${FOLDER.at('dir')}\n`);
    expect(await ask(CONTROL, 'control_dir /')).toBe(`${FOLDER.at('dir')}\n`);
    expect(await ask(CONTROL, 'include more')).toBe('');
    expect(await ask(CONTROL, 'write new')).toBe('');
    expect(existsSync(FOLDER.at('dir/new'))).toBe(true);
    FOLDER.write('dir/nested', 'include ../outside\n');
    for (const command of ['include', 'plan']) {
      expect(await ask(CONTROL, `${command} nested`)).toMatch(
        /nested:1 'include': '.*' is not in .*dir, where control_dir/,
      );
    }
    FOLDER.write('dir/pages', `web_stats ${FOLDER.at('outside')}\n`);
    expect(await ask(CONTROL, 'include pages')).toMatch(/'.*outside' is not in .*dir, where control_dir has/);
    for (const name of ['../outside', FOLDER.at('outside'), 'link', '..', '.']) {
      expect(await ask(CONTROL, `include ${name}`)).toMatch(/^include: '.*' is not in .*dir, where control_dir has/);
      expect(await ask(CONTROL, `geoip ${name}`)).toMatch(/^geoip: '.*' is not in .*dir, where control_dir has/);
      expect(await ask(CONTROL, `write ${name}`)).toMatch(/^write: '.*' is not in .*dir, where control_dir has/);
      expect(await ask(CONTROL, `web_stats ${name}`), 'none, as before').toBe('');
      expect(await ask(CONTROL, `plan ${name}`)).toMatch(/^plan: '.*' is not in .*dir, where control_dir has/);
    }
    expect(readFileSync(FOLDER.at('outside'), 'utf8')).toBe('blacklist 4\n');
    expect(await ask(CONTROL, 'blacklist')).toBe('3\n');
    expect(await ask(CONTROL, 'web_stats page')).toBe(`${FOLDER.at('dir/page')}\n`);
    await ask(CONTROL, 'status');
    expect(existsSync(FOLDER.at('dir/page'))).toBe(true);
  });
});
