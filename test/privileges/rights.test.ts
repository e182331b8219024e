/** What is left of root's rights after `-u` and `-j`: nothing, in any thread, for anybody, and Pen serves on. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { planted } from '../workers/failing-turn.ts';
import { ask } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { descriptorsOf } from '../support/process-facts.ts';
import { PEN, Pen, type PenOptions } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needs, needsLoop } from '../support/skip.ts';
import { callsInJail, inheritedBy, Jail, noRights, NOBODY, rightsOf } from './jail.ts';

const AS_NOBODY = ['-u', NOBODY.name];

let jail: Jail;
let server: Server;
let pen: Pen | undefined;

beforeEach(() => {
  jail = new Jail();
  server = new Server();
  server.onPeer = echo;
});
afterEach(async () => {
  Peer.closeAll();
  server.close();
  if (pen?.isAlive) await pen.stop();
  pen = undefined;
  jail.remove();
});

async function start(options: readonly string[], more: Partial<PenOptions> = {}): Promise<Pen> {
  pen = await Pen.start({ servers: [server.address], ...more, options });
  return pen;
}

async function serves(): Promise<void> {
  const client = Peer.connect(pen!.endpoint);
  client.send(1000);
  client.end();
  await reactor().until(() => client.ending !== '', 'the answer');
  expect([client.received, client.ending]).toEqual([1000, 'end']);
}

async function refusal(options: readonly string[], more: Partial<PenOptions> = {}): Promise<string> {
  const { exit, lines } = await Pen.run({ servers: ['127.0.0.1:9'], ...more, options });
  return `${exit.code}: ${lines.join('\n')}`;
}

for (const loop of KERNEL_LOOPS) {
  needsLoop(
    loop,
    'rights',
    () => {
      test('V1: every thread is the user, in the jail, without capabilities and without a way to any; clients are served', async () => {
        const { pid } = await start([...AS_NOBODY, '-j', jail.path, '-O', 'workers 2'], { loop });
        await serves();
        expect([...rightsOf(pid).keys()]).toEqual([noRights(jail.path, jail.path)]);
        expect(inheritedBy(pid)).toEqual([]);
        // A folder that is open is a way out.
        const outside = new Set(['/dev/null', ...descriptorsOf(process.pid)]);
        expect(descriptorsOf(pid).filter((path) => path.startsWith('/') && !outside.has(path))).toEqual([]);
        expect((await pen!.stop()).code).toBe(0);
      });

      test('a worker that fails is replaced in the jail, where no file of Pen is, and has no rights either', async () => {
        const trigger = join(jail.ownInside, 'fail');
        const plant = planted(trigger, join(jail.base, 'plant.mjs'));
        jail.copyIn(plant);
        const prefix = ['env', `NODE_OPTIONS=--import=${plant}`];
        const { pid } = await start([...AS_NOBODY, '-j', jail.path], { loop, prefix });
        for (let times = 1; times <= 2; times++) {
          await serves();
          writeFileSync(join(jail.path, trigger), '');
          Peer.connect(pen!.endpoint);
          await reactor().until(() => !existsSync(join(jail.path, trigger)), 'the throw');
        }
        await serves();
        const said = pen!.lines.filter((line) => /worker 0 failed/.test(line));
        expect(said).toHaveLength(2);
        for (const line of said) expect(line).toMatch(/another takes its place: Error: planted < at /);
        expect([...rightsOf(pid).keys()]).toEqual([noRights(jail.path, jail.path)]);
        expect((await pen!.stop()).code).toBe(0);
      });
    },
    { root: true },
  );
}

needs({ linux: true, root: true, packages: ['strace'] }, 'what Pen wants of the file system in the jail', () => {
  test('is there, whatever it is told to do', async () => {
    const trigger = join(jail.ownInside, 'fail');
    const plant = planted(trigger, join(jail.base, 'plant.mjs'));
    // Node asks for it because of the module.
    const manifest = join(jail.base, 'package.json');
    writeFileSync(manifest, '{}');
    for (const path of [plant, manifest]) jail.copyIn(path);
    const [trace, control] = [join(jail.base, 'trace'), join(jail.base, 'control')];
    const prefix = ['strace', '-f', '-qq', '-e', 'trace=%file', '-o', trace, 'env', `NODE_OPTIONS=--import=${plant}`];
    const options = [...AS_NOBODY, '-j', jail.path, '-C', control, '-p', join(jail.ownInside, 'pid')];
    await start(options, { prefix });
    await serves();
    const pid = Number(await ask(control, 'pid'));
    for (const line of [
      'servers',
      'clients',
      'server 1 address 127.0.0.2 port http',
      'conn_max 600',
      'help',
      'recent',
    ]) {
      await ask(control, line);
    }
    expect(await ask(control, 'listen 127.0.0.1:0')).toMatch(/^127/);
    process.kill(pid, 'SIGUSR1');
    process.kill(pid, 'SIGHUP');
    await pen!.line(/Number of connections/);
    writeFileSync(join(jail.path, trigger), '');
    await ask(control, 'blacklist 7');
    await pen!.line(/another takes its place/);
    await reactor().until(() => !existsSync(join(jail.path, trigger)), 'the throw');
    process.kill(pid, 'SIGTERM');
    expect((await pen!.ended).code).toBe(0);
    const inside = callsInJail(readFileSync(trace, 'utf8')).filter((call) => !call.includes(`"${trigger}`));
    expect(inside[0]).toMatch(/^chroot\(.* = 0$/);
    // How much memory there is, and its own name, is what Node would like to know for a thread, and can do without. Whether
    // there is a pid file is looked at before it is made.
    expect(inside.filter((call) => call.includes('ENOENT') && !/"\/proc\/|"\/own\/pid"/.test(call))).toEqual([]);
    // The last thing it does is to remove what it may.
    expect(inside.some((call) => call.includes('unlink("/own/pid") '))).toBe(true);
  });
});

needs({ linux: true, root: true }, 'in the background', () => {
  const run = (...options: string[]) =>
    spawnSync(process.execPath, [PEN, ...options, join(jail.base, 'listener'), '127.0.0.1:9'], {
      encoding: 'utf8',
      timeout: 20_000,
    });

  test('Pen leaves a process without rights, which ends as ever', async () => {
    const options = [...AS_NOBODY, '-j', jail.path, '-p', join(jail.ownInside, 'pid')];
    expect(run(...options)).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const pidFile = join(jail.own, 'pid');
    const pid = Number(readFileSync(pidFile, 'utf8'));
    const found = [...rightsOf(pid).keys()];
    process.kill(pid, 'SIGTERM');
    await reactor().until(() => !existsSync(`/proc/${pid}`), 'the end');
    expect(found).toEqual([noRights(jail.path, jail.path)]);
    expect(existsSync(pidFile)).toBe(false);
  });

  test.each([
    [['-u', 'nosuchuser'], /^pen: -u: there is no user 'nosuchuser'\n$/],
    [
      ['-j', '/nowhere/jail', ...AS_NOBODY],
      /^pen: -j: cannot make '\/nowhere\/jail' the root directory: it does not exist\n$/,
    ],
    [
      ['-p', '/run/pid', ...AS_NOBODY],
      /^pen: -p: cannot write the pid file '\/run\/pid' \(as nobody\): permission denied\n$/,
    ],
  ])('what is wrong with %j is told, and nobody is left', (options, says) => {
    const { status, stderr } = run(...options);
    expect([status, stderr]).toEqual([1, expect.stringMatching(says)]);
  });
});

needs({ linux: true, root: true }, 'what somebody could do who has taken over the process', () => {
  /** Tries it in main when told to, and tells what came of it. */
  const TAKEOVER = `import { isMainThread } from 'node:worker_threads';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
const outside = process.env.OUTSIDE;
const inner = fs.openSync(outside, 'r');
const TRIES = {
  root: () => process.setuid(0),
  effectively: () => process.seteuid(0),
  group: () => process.setgid(0),
  groups: () => process.setgroups([0]),
  program: () => execFileSync('/own/program'),
  key: () => fs.readFileSync(outside),
  write: () => fs.writeFileSync('/file', ''),
  up: () => fs.readdirSync('../../../../..').join(),
};
if (isMainThread) setInterval(() => {
  if (!fs.existsSync('/own/try')) return;
  fs.unlinkSync('/own/try');
  const tell = (name) => {
    try {
      return String(TRIES[name]() ?? 'done');
    } catch (error) {
      return error.code;
    }
  };
  const told = Object.fromEntries(Object.keys(TRIES).map((name) => [name, tell(name)]));
  process.stderr.write('tried ' + JSON.stringify(told) + '\\n');
}, 10).unref();
fs.closeSync(inner);
`;

  test('V3: neither rights nor programs nor files are to be had, with a program lying ready', async () => {
    const key = join(jail.base, 'key.pem');
    writeFileSync(key, 'secret', { mode: 0o600 });
    // A program needs no other file to be started.
    writeFileSync(join(jail.own, 'program'), '', { mode: 0o755 });
    const takeover = join(jail.base, 'takeover.mjs');
    writeFileSync(takeover, TAKEOVER);
    const prefix = ['env', `OUTSIDE=${key}`, `NODE_OPTIONS=--import=${takeover}`];
    await start([...AS_NOBODY, '-j', jail.path], { prefix });
    writeFileSync(join(jail.own, 'try'), '');
    const line = await pen!.line(/^tried /);
    expect(JSON.parse(line.slice('tried '.length))).toEqual({
      root: 'EPERM',
      effectively: 'EPERM',
      group: 'EPERM',
      groups: 'EPERM',
      program: 'EPERM',
      key: 'ENOENT',
      write: 'EACCES',
      up: 'own',
    });
    await serves();
  });
});

needs({ linux: true, root: true }, 'the user alone', () => {
  test("on Node's own loop, every thread is the user", async () => {
    const { pid } = await start(AS_NOBODY, { loop: 'node' });
    await serves();
    const found = [...rightsOf(pid).keys()];
    const wanted = noRights('/', process.cwd()).replace('NoNewPrivs: 1; Seccomp: 2', 'NoNewPrivs: 0; Seccomp: 0');
    expect(found).toEqual([wanted]);
    expect((await pen!.stop()).code).toBe(0);
  });

  test('V5, H3: ports below 1024 are opened before, and cannot be opened later: the old one stays', async () => {
    const control = join(jail.base, 'control');
    await start([...AS_NOBODY, '-C', control], { listen: '127.0.8.9:809' });
    expect(pen!.port).toBe(809);
    expect(await ask(control, 'listen 127.0.8.9:810')).toBe('127.0.8.9:809\n');
    expect(await pen!.line(/cannot listen on/)).toMatch(
      /listen on 127\.0\.8\.9:810: not permitted; ports below .* need root or .*; -u has given that up, so name it at the start$/,
    );
    await serves();
    expect(await ask(control, 'listen 127.0.0.1:0')).toMatch(/^127\.0\.0\.1:\d{4,5}\n$/);
  });

  test("writes its pid file where the user may, and takes it away; its sockets stay root's and are taken over", async () => {
    const options = [...AS_NOBODY, '-p', join(jail.own, 'pid'), '-C', join(jail.base, 'control')];
    await start(options);
    expect(readFileSync(join(jail.own, 'pid'), 'utf8')).toBe(String(pen!.pid));
    expect(statSync(join(jail.own, 'pid')).uid).toBe(NOBODY.id);
    const { uid, mode } = statSync(join(jail.base, 'control'));
    expect([uid, mode & 0o777]).toEqual([0, 0o600]);
    expect((await pen!.stop()).code).toBe(0);
    expect(readdirSync(jail.own)).toEqual([]);
    expect(existsSync(join(jail.base, 'control'))).toBe(true);
    await start(options);
    expect(await ask(join(jail.base, 'control'), 'pid')).toBe(`${pen!.pid}\n`);
    await pen!.stop();
    expect(await refusal([...AS_NOBODY, '-p', join(jail.base, 'pid')])).toMatch(
      /^1: pen: -p: cannot write the pid file '.*pid' \(as nobody\): permission denied$/,
    );
  });
});

needs({ linux: true, root: true }, 'statistics as another user', () => {
  test('a folder in which that user may not make files is told at the start, with option and user', async () => {
    await start([...AS_NOBODY, '-w', join(jail.own, 'page')]);
    expect(pen!.lines.filter((line) => line.includes('web_stats'))).toEqual([]);
    expect((await pen!.stop()).code).toBe(0);
    await start([...AS_NOBODY, '-w', join(jail.base, 'page')]);
    expect(pen!.lines[0]).toMatch(
      / -w 'web_stats': no page can be written in the folder '[^']+' \(as nobody\): permission denied; whoever Pen runs as/,
    );
    await serves();
  });
});

needs({ linux: true, root: true }, 'the jail', () => {
  test('holds paths of files and sockets from then on, and what lies in it is removed at the end', async () => {
    const control = join(jail.own, 'control');
    const listen = join(jail.own, 'listener');
    mkdirSync(join(jail.own, 'run'));
    const inside = [join(jail.ownInside, 'pid'), '-u', NOBODY.name, '-j', jail.path];
    await start(['-p', ...inside, '-C', control], { listen });
    expect(readdirSync(jail.own).sort()).toEqual(['control', 'listener', 'pid', 'run']);
    expect(await ask(control, 'listen /own/second')).toBe('/own/second\n');
    await reactor().until(() => !existsSync(listen), 'the old listener to be gone');
    expect(existsSync(join(jail.own, 'second'))).toBe(true);
    expect((await pen!.stop()).code).toBe(0);
    expect(readdirSync(jail.own)).toEqual(['run']);
    // A path of outside is none inside.
    expect(await refusal(['-p', join(jail.own, 'pid'), '-u', NOBODY.name, '-j', jail.path])).toMatch(
      /pen: -p: cannot write the pid file '.*' \(in the jail .*, as nobody\): the folder does not exist$/,
    );
  });

  test('knows services, time and itself; names only as far as the jail has hosts', async () => {
    const control = join(jail.base, 'control');
    await start([...AS_NOBODY, '-j', jail.path, '-C', control], { prefix: ['env', 'TZ=Asia/Tokyo'] });
    expect(await ask(control, 'server 0 address 127.0.0.2 port http')).toBe('');
    expect(await ask(control, 'servers')).toContain('0 addr 127.0.0.2 port 80 ');
    expect(await ask(control, 'server 0 address www7.example')).toMatch(
      /^server: host 'www7\.example' c.* in the jail .* names need an etc\/hosts or etc\/resolv\.conf there/,
    );
    mkdirSync(join(jail.path, 'etc'));
    writeFileSync(join(jail.path, 'etc', 'hosts'), '127.0.0.7 www7.example\n');
    expect(await ask(control, 'server 0 address www7.example')).toBe('');
    expect(await ask(control, 'servers')).toContain('0 addr 127.0.0.7 ');
    pen!.child.kill('SIGUSR1');
    const line = await pen!.line(/Number of connections: /);
    const seconds = (Date.parse(`${line.slice(0, 19).replace(' ', 'T')}+09:00`) - Date.now()) / 1000;
    expect(Math.abs(seconds)).toBeLessThan(60);
  });

  test('is where the file of commands is read again: what is not there, or cannot be, changes nothing', async () => {
    const [file, control] = [join(jail.base, 'pen.cfg'), join(jail.base, 'control')];
    writeFileSync(file, 'blacklist 7\n');
    const options = [...AS_NOBODY, '-j', jail.path, '-C', control, '-F', file];
    const { port } = await start(options);
    expect(await ask(control, 'blacklist')).toBe('7\n');
    pen!.child.kill('SIGHUP');
    expect(await pen!.line(/there is no file/)).toMatch(/there is no file '.*pen\.cfg' \(in the jail .*, as nobody\)$/);
    await pen!.line(/nothing is read again: all stays as it is$/);
    jail.copyIn(file);
    writeFileSync(join(jail.path, file), 'blacklist 8\n');
    pen!.child.kill('SIGHUP');
    await pen!.line(/pen\.cfg read again: 1 lines change$/);
    expect(await ask(control, 'blacklist')).toBe('8\n');
    writeFileSync(join(jail.path, file), 'blacklist 9\nlisten 127.0.8.9:810\n');
    pen!.child.kill('SIGHUP');
    await pen!.line(
      /cannot listen on 127\.0\.8\.9:810: not permitted; .* -u has given that up, so name it at the start$/,
    );
    expect(await ask(control, 'blacklist')).toBe('8\n');
    expect(await ask(control, 'listen')).toBe(`127.0.0.1:${port}\n`);
    await serves();
  });

  test('is where files are written to, as the user', async () => {
    const control = join(jail.base, 'control');
    await start([...AS_NOBODY, '-j', jail.path, '-C', control, '-w', '/own/page.html']);
    expect(await ask(control, 'write /own/pen.cfg')).toBe('');
    expect(await ask(control, 'write /pen.cfg')).toMatch(
      /^write: cannot write '\/pen\.cfg' \(in the jail .*, as nobody\): /,
    );
    expect(await ask(control, 'status')).toContain('</html>');
    await reactor().until(() => existsSync(join(jail.own, 'page.html')), 'the page');
    const owners = readdirSync(jail.own).map((name) => `${name} ${statSync(join(jail.own, name)).uid}`);
    expect(owners.sort()).toEqual([`page.html ${NOBODY.id}`, `pen.cfg ${NOBODY.id}`]);
    expect(readFileSync(join(jail.own, 'pen.cfg'), 'utf8')).toContain(`-j '${jail.path}' -u 'nobody'`);
  });

  test('does not hold root, which is said', async () => {
    await start(['-j', jail.path]);
    expect(pen!.lines.join('\n')).toContain('a jail does not hold root: say -u USER as well');
    await serves();
  });
});

needs({ linux: true, root: true }, 'root', () => {
  test.each([
    [[], ['running as root: say -u USER to give that up, or -u root if it has to be']],
    [['-u', 'root'], []],
    [['-u', '0'], []],
    [AS_NOBODY, []],
  ])('V2: with %j is told so, unless it is wanted or gone', async (options, warnings) => {
    await start(options);
    const said = pen!.lines.map((line) => line.replace(/^[-\d]+ [:\d]+: /, ''));
    expect(said).toEqual([...warnings, expect.stringMatching(/^listening on /)]);
  });
});

needs({ linux: true, root: true, packages: ['util-linux'] }, 'mistakes', () => {
  test.each([
    [['-u', 'nosuchuser'], "1: pen: -u: there is no user 'nosuchuser'"],
    [['-u', '4000000000'], '1: pen: -u: user 4000000000 has no name, so its groups are not known'],
    [['-j', '/nowhere/jail'], "1: pen: -j: cannot make '/nowhere/jail' the root directory: it does not exist"],
    [['-j', '/etc/passwd'], "1: pen: -j: cannot make '/etc/passwd' the root directory: it is not a folder"],
    [['-j', ''], '1: pen: -j: needs the path of a folder, not an empty word'],
    [['-u', ''], '1: pen: -u: needs the name of a user, not an empty word'],
  ])('%j', async (options, says) => {
    expect(await refusal(options)).toBe(says);
  });

  test("a jail needs native calls, which Node's own loop goes without", async () => {
    expect(await refusal(['-j', jail.path, ...AS_NOBODY], { loop: 'node' })).toMatch(
      /^1: pen: -j: the root directory cannot be changed by Node's own means/,
    );
  });

  test('others than root', async () => {
    const other = { prefix: ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] };
    expect(await refusal(['-u', 'daemon'], other)).toBe('1: pen: -u: only root may become another user (daemon)');
    expect(await refusal(['-j', jail.path], other)).toBe('1: pen: -j: only root may change the root directory');
  });

  test('a Node that would keep rights in a thread of its own is refused; later ones have no such thread', async () => {
    const risky = { prefix: ['env', 'UV_USE_IO_URING=1'] };
    const outcome = await start([...AS_NOBODY, '-j', jail.path], risky).catch(String);
    if (typeof outcome === 'string') {
      expect(outcome).toMatch(/pen: -u: cannot become 'nobody': .*UV_USE_IO_URING; unset it$/m);
    } else {
      expect([...rightsOf(outcome.pid).keys()]).toEqual([noRights(jail.path, jail.path)]);
    }
  });
});
