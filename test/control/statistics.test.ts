/** Statistics of a running Pen: the page in a file and as an answer, and answers as JSON. */
import { execFile, spawn } from 'node:child_process';
import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { onEachLoop } from '../support/rig.ts';
import { needs } from '../support/skip.ts';
import { ip } from '../support/sockets.ts';

const run = promisify(execFile);
const PENCTL = fileURLToPath(new URL('../../dist/bin/penctl.js', import.meta.url));
const FOLDER = mkdtempSync(join(tmpdir(), 'pen-page-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

/** Tables of a page, as programs read them: rows of cells, a tag on each line. */
function tablesOf(page: string): string[][][] {
  return page
    .split('<table')
    .slice(1)
    .map((table) =>
      table
        .split('<tr>')
        .slice(1)
        .map((row) => [...row.matchAll(/^<t[dh][^>]*>(.*)<\/t[dh]>$/gm)].map(([, cell = '']) => cell)),
    );
}

needs({ linux: true, packages: ['pen'] }, 'statistics beside those of the original', () => {
  test("the page has the tables, columns and figures of that of Debian's pen", async () => {
    const [listen, control] = [await freePort(), await freePort()];
    const servers = ['127.0.0.1:9:5:7:3:2', '127.0.0.1:10'];
    const options = ['-w', join(FOLDER, 'theirs.html'), '-C', `127.0.0.1:${control}`, ...AS_WHO_WE_ARE];
    const theirs = spawn('pen', ['-f', ...options, `127.0.0.1:${listen}`, ...servers], { stdio: 'ignore' });
    const ours = await Pen.start({ servers, options: ['-C', join(FOLDER, 'ours'), ...AS_WHO_WE_ARE] });
    try {
      const pages: string[] = [];
      for (const where of [`127.0.0.1:${control}`, join(FOLDER, 'ours')]) {
        for (let tries = 0; tries < 200 && (await ask(where, 'pid\n').catch(() => '')) === ''; tries++) {
          await reactor().pass(20);
        }
        await ask(where, 'server 0 blacklist 60\n');
        pages.push(await ask(where, 'status\n'));
      }
      const [[was, now], [wasTime, nowTime]] = [
        pages.map(tablesOf),
        pages.map((page) => /Time.*? (\d+ servers, .*?)</.exec(page)?.[1]),
      ];
      // When it was passed over may be a second later, as they are asked one after the other.
      const [first, second] = [Number(was![0]![1]![2]), Number(now![0]![1]![2])];
      expect(Math.abs(first - second), 'status of server 0').toBeLessThan(10);
      now![0]![1]![2] = String(first);
      expect(now).toEqual(was);
      expect(nowTime).toBe(wasTime);
    } finally {
      theirs.kill('SIGKILL');
      await ours.stop();
    }
  });
});

needs({ linux: true }, 'a status page', () => {
  test('C4, V4: is not written through a link, which is said; statistics are told as lines when there is no file', async () => {
    const [page, precious] = [join(FOLDER, 'link.html'), join(FOLDER, 'precious')];
    writeFileSync(precious, 'precious');
    symlinkSync(precious, page);
    const control = join(FOLDER, 'alone');
    const pen = await Pen.start({ servers: ['127.0.0.1:9'], options: ['-w', page, '-C', control, ...AS_WHO_WE_ARE] });
    try {
      pen.child.kill('SIGUSR1');
      await pen.line(/cannot write the status page to '[^']+': it is a symbolic link, which is not followed/);
      expect(readFileSync(precious, 'utf8')).toBe('precious');
      expect(lstatSync(page).isSymbolicLink()).toBe(true);
      expect(await ask(control, 'no web_stats\n')).toBe('');
      pen.child.kill('SIGUSR1');
      await pen.line(/: Number of connections: 500 max, 0 used, 0 last/);
    } finally {
      await pen.stop();
    }
  });
});

const CONTROL = join(FOLDER, 'control');
const PAGE = join(FOLDER, 'page.html');
/** More than the kernel takes for a reader that does not read. */
const MANY_BYTES = 64_000_000;
const PID = join(FOLDER, 'pid');
const OPTIONS = ['-w', PAGE, '-p', PID, '-C', CONTROL, ...AS_WHO_WE_ARE];

onEachLoop('statistics', { options: OPTIONS, servers: [ip('127.0.0.1', 0), ip('127.0.0.1', 0)] }, (rig) => {
  /** As root's crontab has it. */
  const cron = async (): Promise<void> => void (await run('sh', ['-c', `kill -USR1 $(cat ${PID})`]));

  test('the customary line of a cron table has the page written, as a whole and anew', async () => {
    rmSync(PAGE, { force: true });
    const { client } = await rig.pair();
    await cron();
    await rig.until(() => statSync(PAGE, { throwIfNoEntry: false }) !== undefined, 'the page');
    const before = statSync(PAGE);
    const [, [, told] = []] = tablesOf(readFileSync(PAGE, 'utf8'));
    expect(told).toMatchObject(['0', '127.0.0.1', expect.stringMatching(/^\d$/), '1', '1', '0', '0']);
    await cron();
    await rig.until(() => statSync(PAGE).ino !== before.ino, 'another page in its place');
    expect(readFileSync(PAGE, 'utf8')).toMatch(/^<!DOCTYPE html>[^]*<\/html>\n$/);
    client.end();
  });

  test('status answers with the page and writes the file; without a file it answers all the same', async () => {
    const told = await ask(CONTROL, 'status\n');
    expect(tablesOf(readFileSync(PAGE, 'utf8'))[0]).toEqual(tablesOf(told)[0]);
    expect(statSync(PAGE).mode & 0o777).toBe(0o644);
    unlinkSync(PAGE);
    expect(await ask(CONTROL, 'no web_stats\n')).toBe('');
    expect(await ask(CONTROL, 'status\n')).toMatch(/^<!DOCTYPE html>/);
    expect(lstatSync(PAGE, { throwIfNoEntry: false })).toBeUndefined();
    expect(await ask(CONTROL, `web_stats ${PAGE}\n`)).toBe(`${PAGE}\n`);
  });

  test('penctl --json tells the same in JSON, wherever that word stands', async () => {
    const { client, server } = await rig.pair();
    client.send(1000);
    server.send(3000);
    await rig.until(() => client.received === 3000 && server.received === 1000, 'bytes arrive');
    const [before, behind] = await Promise.all(
      [
        ['--json', CONTROL, 'connections'],
        [CONTROL, '--json', 'connections'],
      ].map(async (args) => {
        const { stdout } = await run(process.execPath, [PENCTL, ...args]);
        return JSON.parse(stdout) as { connections: Record<string, number>[] };
      }),
    );
    const told = before!.connections.find(({ bytes_down }) => bytes_down === 3000)!;
    expect(told).toMatchObject({ state: 2, bytes_up: 1000, pending_up: 0, pending_down: 0 });
    expect(behind!.connections.map(({ connection }) => connection)).toEqual(
      before!.connections.map(({ connection }) => connection),
    );
    const line = `${told['connection']} state 2 downfd ${told['downfd']} upfd ${told['upfd']} client 0 addr 127.0.0.1:`;
    expect(await ask(CONTROL, 'connections\n')).toContain(line);
    const status = JSON.parse(await ask(CONTROL, '--json status\n')) as Record<string, unknown>;
    expect(status).toMatchObject({ loop: rig.loop, pid: rig.pen.pid });
    expect(JSON.parse(await ask(CONTROL, '--json blacklist abc\n'))).toEqual({
      error: "blacklist: 'abc' is not a whole number from 0 to 10000000",
    });
    expect(JSON.parse(await ask(CONTROL, '--json nonsense\n'))).toEqual({ error: "there is no command 'nonsense'" });
    expect(await ask(CONTROL, '--json roundrobin\n--json no roundrobin\n')).toBe('{}\n');
    expect(await ask(CONTROL, '--json no roundrobin\n')).toBe('{}\n');
  });

  test('what a connection holds for a reader that does not read is told', async () => {
    const { client, server } = await rig.pair();
    client.pause();
    server.send(MANY_BYTES);
    let told: { state: number; pending_down: number }[] = [];
    for (let tries = 0; tries < 200 && !told.some(({ pending_down }) => pending_down > 0); tries++) {
      await rig.pass(20);
      ({ connections: told } = JSON.parse(await ask(CONTROL, '--json connections\n')) as { connections: typeof told });
    }
    expect(told.filter(({ pending_down }) => pending_down > 0)).toHaveLength(1);
    client.reset();
    await rig.until(() => server.ending !== '', 'the reset arrives');
  });
});
