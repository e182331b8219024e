/** Pen started with a file of commands, or asked about one. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { Pen, PEN } from '../support/pen.ts';
import { Peer } from '../support/peer.ts';
import { reactor } from '../support/reactor.ts';
import { Server } from '../support/server.ts';
import { needs } from '../support/skip.ts';
import { ip } from '../support/sockets.ts';

const FOLDER = new Folder();

/** What `pen` with these arguments prints, and how it ends. */
function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PEN, ...args], {
    encoding: 'utf8',
    cwd: FOLDER.path,
  });
  return { status, stdout, stderr };
}

const BAD = 'blacklist often\nlisten 127.0.0.1:0\n\nserver 0 adress 127.0.0.1 port 99999\nfly\n';
const MISTAKES = [
  "pen: bad.cfg:1 'blacklist': 'often' is not a whole number from 0 to 10000000",
  "pen: bad.cfg:4 'server': port: port '99999' is neither a number from 0 to 65535 nor a service in /etc/services",
  "pen: bad.cfg:5 'fly': there is no such command; 'help' lists them",
  '',
].join('\n');

describe('a file of commands at the start', () => {
  test('says what no option says, by files beside it too', async () => {
    mkdirSync(FOLDER.at('conf.d'), { recursive: true });
    FOLDER.write('conf.d/servers', 'server 0 address 127.0.0.1 port 9 max 3\nserver 2 address 127.0.0.2 port 10\n');
    const control = FOLDER.at('control');
    const path = FOLDER.write(
      'pen.cfg',
      `# ours\nlisten 127.0.0.1:0\ninclude conf.d/servers\ncontrol ${control}\nno log\nblock\n`,
    );
    // Its listen address is the file's.
    const pen = await Pen.start({ listen: '127.0.0.1:1', servers: [], options: ['-F', path, ...AS_WHO_WE_ARE] });
    onTestFinished(async () => void (await pen.stop()));
    expect(await ask(control, 'servers')).toMatch(/^0 addr 127.0.0.1 port 9 .* max 3 [^]*\n2 addr 127.0.0.2 port 10 /);
    expect(pen.lines.join('\n')).toMatch(/pen\.cfg:6 'block': has had no effect for long, passed over/);
    expect(pen.lines.join('\n')).toMatch(/listen address: the file says 127.0.0.1:0, which counts/);
  });

  test('with mistakes is refused with all of them', () => {
    FOLDER.write('bad.cfg', BAD);
    expect(run('-f', '-F', 'bad.cfg', '127.0.0.1:0', '127.0.0.1:9')).toEqual({
      status: 1,
      stdout: '',
      stderr: MISTAKES,
    });
    expect(run('-F', 'bad.cfg', '127.0.0.1:0', '127.0.0.1:9')).toEqual({ status: 1, stdout: '', stderr: MISTAKES });
  });

  test('that asks for what cannot be had is refused with the line', () => {
    const text = 'server 0 address 127.0.0.1 port 9\nlisten 127.0.0.1:0\nclient_acl no-list\n';
    FOLDER.write('lists.cfg', text);
    const status = 1;
    const stderr = expect.stringMatching(/^pen: lists\.cfg:3 'client_acl': there is no access list 'no-list'; say /);
    expect(run('-f', '-F', 'lists.cfg')).toMatchObject({ status, stderr });
    expect(run('--check', 'lists.cfg')).toMatchObject({ status, stderr });
  });

  test('that is not there is refused with its name', () => {
    expect(run('-F', 'none.cfg', '127.0.0.1:0', '127.0.0.1:9')).toEqual({
      status: 1,
      stdout: '',
      stderr: "pen: -F: there is no file 'none.cfg'\n",
    });
  });

  test('without a server is refused', () => {
    FOLDER.write('few.cfg', 'listen 127.0.0.1:0\n');
    expect(run('-F', 'few.cfg')).toMatchObject({ status: 1, stderr: expect.stringMatching(/^pen: server: missing; /) });
  });
});

describe('what a file names and cannot be had', () => {
  test('is told with its line, and ends the start: a control socket, a pid file', () => {
    const serving = 'listen 127.0.0.1:0\nserver 0 address 127.0.0.1 port 9\n';
    FOLDER.write('control.cfg', `${serving}control ${FOLDER.at('none/control')}\n`);
    expect(run('-f', ...AS_WHO_WE_ARE, '-F', 'control.cfg')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^pen: control\.cfg:3 'control': cannot listen on .*: the folder does not exist; /),
    });
    FOLDER.write('pid.cfg', `${serving}pid_file ${FOLDER.at('none/pid')}\n`);
    expect(run('-f', ...AS_WHO_WE_ARE, '-F', 'pid.cfg')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^pen: pid\.cfg:3 'pid_file': cannot write the pid file .*: the folder does not/),
    });
  });

  test.each(['write', 'plan', 'reload'])(
    '%s is for a running Pen: as an option or in a file it ends the start',
    (name) => {
      const line = name === 'reload' ? name : `${name} ${FOLDER.at('out')}`;
      FOLDER.write('errand.cfg', `listen 127.0.0.1:0\nserver 0 address 127.0.0.1 port 9\n${line}\n`);
      const reason = 'only a running Pen can do that: say it by penctl\n';
      const wanted = { status: 1, stdout: '', stderr: `pen: errand.cfg:3 '${name}': ${reason}` };
      expect(run('-f', '-F', 'errand.cfg')).toEqual(wanted);
      expect(run('--check', 'errand.cfg')).toEqual(wanted);
      expect(run('-f', '-O', line, '127.0.0.1:0', '127.0.0.1:9').stderr).toBe(`pen: -O '${name}': ${reason}`);
      expect(existsSync(FOLDER.at('out'))).toBe(false);
    },
  );

  test('a pid file that cannot be had ends the start before anybody is served', async () => {
    const [server, port] = [new Server(), await freePort()];
    onTestFinished(() => server.close());
    const options = [...AS_WHO_WE_ARE, '-p', FOLDER.at('none/pid')];
    const start = Pen.run({ listen: `127.0.0.1:${port}`, servers: [server.address], options });
    const state = { isOver: false };
    void start.then(() => (state.isOver = true));
    while (!state.isOver) {
      const client = Peer.connect(ip('127.0.0.1', port));
      await reactor().until(() => client.ending !== '' || client.isConnected || state.isOver, 'the end');
      await reactor().pass(5);
    }
    expect((await start).exit.code).toBe(1);
    expect(server.accepted).toBe(0);
    Peer.closeAll();
  });
});

describe('pen --check', () => {
  test('tells that a file is right, and starts nothing', () => {
    FOLDER.write('right.cfg', 'listen 127.0.0.1:1\nserver 0 address 127.0.0.1 port 9\n');
    expect(run('--check', 'right.cfg')).toEqual({ status: 0, stdout: 'right.cfg is right\n', stderr: '' });
  });

  test('tells of servers and farms that there is no room for', () => {
    const farm = (name: string): string => `farm ${name}\nserver 40000 address 127.0.0.1 port 9\n`;
    FOLDER.write('many.cfg', `listen 127.0.0.1:1\nserver 0 address 127.0.0.1 port 9\n${farm('a')}${farm('b')}`);
    const stderr = "pen: many.cfg:6 'farm b server': there is room for 65532 servers of all farms together\n";
    expect(run('--check', 'many.cfg')).toEqual({ status: 1, stdout: '', stderr });
    expect(run('-f', '-F', 'many.cfg').stderr).toContain(stderr);
  });

  test('names the line of an address that two farms have', () => {
    const farm = (name: string): string => `farm ${name}\nlisten 127.0.0.1:1\nserver 0 address 127.0.0.1 port 9\n`;
    FOLDER.write('twice.cfg', farm('a') + farm('b'));
    const stderr = "pen: twice.cfg:5 'farm b listen': 127.0.0.1:1 is said twice, for farm a and for farm b\n";
    expect(run('--check', 'twice.cfg')).toEqual({ status: 1, stdout: '', stderr });
    expect(run('-f', '-F', 'twice.cfg').stderr).toContain(stderr);
  });

  test('tells what the command line has to add, and checks that too', () => {
    FOLDER.write('part.cfg', 'blacklist 5\n');
    expect(run('--check=part.cfg')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^pen: server: missing; write at least one server, as in /),
    });
    FOLDER.write('server.cfg', 'server 0 address 127.0.0.1 port 9\n');
    expect(run('--check', 'server.cfg')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^pen: listen address: missing; say it in the file, as by listen 80, or behind /),
    });
    expect(run('--check', 'server.cfg', '127.0.0.1:1').status).toBe(0);
    expect(run('-r', '--check', 'part.cfg', '127.0.0.1:1', '127.0.0.1:9').status).toBe(0);
    expect(run('-b', 'x', '--check', 'part.cfg')).toMatchObject({
      status: 1,
      stderr: "pen: -b 'blacklist': 'x' is not a whole number from 0 to 10000000\n",
    });
  });

  const SERVING = 'listen 127.0.0.1:1\nserver 0 address 127.0.0.1 port 9\n';

  test('tells of a pid file that could not be written, by whoever named it, and leaves none', () => {
    FOLDER.write('pid.cfg', `${SERVING}pid_file ${FOLDER.at('none/pid')}\n`);
    const reason = `cannot write the pid file '${FOLDER.at('none/pid')}': the folder does not exist\n`;
    expect(run('--check', 'pid.cfg')).toEqual({
      status: 1,
      stdout: '',
      stderr: `pen: pid.cfg:3 'pid_file': ${reason}`,
    });
    FOLDER.write('right.cfg', SERVING);
    expect(run('--check', 'right.cfg', '-p', FOLDER.at('none/pid')).stderr).toBe(`pen: -p: ${reason}`);
    expect(run('--check', 'right.cfg', '-O', `pid_file ${FOLDER.at('none/pid')}`).stderr).toBe(
      `pen: -O 'pid_file': ${reason}`,
    );
    symlinkSync(FOLDER.at('right.cfg'), FOLDER.at('link'));
    expect(run('--check', 'right.cfg', '-p', FOLDER.at('link')).stderr).toMatch(
      /link': it is a symbolic link, which is/,
    );
    expect(run('--check', 'right.cfg', '-p', FOLDER.at('right.cfg')).stderr).toMatch(/it holds something else than/);
    expect(run('--check', 'right.cfg', '-p', FOLDER.at('pid')).status).toBe(0);
    expect(existsSync(FOLDER.at('pid'))).toBe(false);
  });

  test('tells of folders that web_stats and control_dir lack, without which there is a start', () => {
    FOLDER.write('dirs.cfg', `${SERVING}web_stats ${FOLDER.at('none/page')}\ncontrol_dir ${FOLDER.at('none')}\n`);
    const missing = (what: string): string =>
      `${what} in the folder '${FOLDER.at('none')}': the folder does not exist\n`;
    expect(run('--check', 'dirs.cfg')).toEqual({
      status: 0,
      stdout: `${missing("dirs.cfg:3 'web_stats': no page can be written")}${missing(
        "dirs.cfg:4 'control_dir': control commands can use no file",
      )}dirs.cfg is right\n`,
      stderr: '',
    });
    FOLDER.write('right.cfg', SERVING);
    expect(run('--check', 'right.cfg', '-w', FOLDER.at('none/page')).stdout).toBe(
      `${missing("-w 'web_stats': no page can be written")}right.cfg is right\n`,
    );
    expect(run('--check', 'right.cfg', '-w', FOLDER.at('page')).stdout).toBe('right.cfg is right\n');
  });

  needs({ root: true }, 'as root', () => {
    test('judges with the rights of -u and inside the jail of -j, and knows whether there are such', () => {
      FOLDER.write('right.cfg', SERVING);
      chmodSync(FOLDER.path, 0o755);
      const as = ['-u', 'nobody', '--check', 'right.cfg'];
      expect(run(...as, '-p', FOLDER.at('pid')).stderr).toBe(
        `pen: -p: cannot write the pid file '${FOLDER.at('pid')}' (as nobody): permission denied\n`,
      );
      expect(run(...as, '-w', FOLDER.at('page')).stdout).toMatch(
        /^-w 'web_stats': no page can be written in the folder '[^']+' \(as nobody\): permission denied; whoever Pen/,
      );
      expect(run('-j', FOLDER.path, '-p', '/none/pid', '--check', 'right.cfg').stderr).toMatch(
        /none\/pid': the folder d/,
      );
      expect(run('-j', FOLDER.path, '-p', '/pid', '--check', 'right.cfg').status).toBe(0);
      expect(run('-u', 'no-such-user', '--check', 'right.cfg').stderr).toBe(
        "pen: -u: there is no user 'no-such-user'\n",
      );
    });
  });

  test('reads 250,000 entries of an access list in a third of a gigabyte', () => {
    const entries = Array.from(
      { length: 250_000 },
      (_, i) => `acl 3 permit 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    );
    const path = FOLDER.write('long.cfg', entries.join('\n'));
    const told = "data:text/javascript,process.on('exit',()=>console.error(process.resourceUsage().maxRSS))";
    const args = ['--import', told, PEN, '--check', path, '127.0.0.1:1', '127.0.0.1:9'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toBe(`${path} is right\n`);
    expect(Number(stderr), 'KiB').toBeLessThan(330 * 1024);
  });

  test('tells all mistakes of a file, and which file is missing', () => {
    FOLDER.write('bad.cfg', BAD);
    expect(run('--check', 'bad.cfg')).toEqual({ status: 1, stdout: '', stderr: MISTAKES });
    expect(run('--check', 'none.cfg')).toMatchObject({
      status: 1,
      stderr: "pen: --check: there is no file 'none.cfg'\n",
    });
    expect(run('--check')).toMatchObject({ status: 1, stderr: 'pen: --check: needs the name of a file behind it\n' });
  });
});
