/** Logs that real web servers write: through penlog and penlogd while requests come in, and by mergelogs afterwards. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '../support/control.ts';
import { needs } from '../support/skip.ts';
import { DEBIANS, OURS, Rotation, run, Stage, startPenlogd, until } from './programs.ts';
import { Client, PENS, startApache, startNginx, startPen, timeless } from './sites.ts';

const [ONE, TWO] = ['127.0.0.11', '127.0.0.12'];
const CLIENTS = Array.from({ length: 6 }, (_, at) => `127.0.1.${at + 1}`);
/** What a shell runs. */
const shell = (command: readonly string[], ...words: readonly (string | number)[]): string =>
  [...command, ...words].join(' ');

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

/** Each client asks for what all ask for, for what nobody else asks for, and for what is long or has to be escaped. */
async function visit(clients: readonly Client[], rounds: number, between: () => Promise<void>): Promise<string[]> {
  for (let round = 0; round < rounds; round++) {
    const visits = clients.map(async (client, number) => {
      await client.get('/same');
      await client.get(`/${number}/${round}`);
      await client.get(`/${'long/'.repeat(30)}${round}`);
      await client.get(`/q?a="b\\c"&r=${round}`, `/q?a=\\x22b\\x5Cc\\x22&r=${round}`);
    });
    await Promise.all([...visits, between()]);
  }
  return clients.flatMap(({ asked }) => asked).sort();
}

needs({ linux: true, root: true, packages: ['nginx', 'pen'] }, 'two nginx, penlog, penlogd', () => {
  test.each(Object.entries(PENS))(
    'the log is what the clients remember, line for line, while it is renamed all the time (%s)',
    async (_, before) => {
      const { port: logPort, daemon } = await startPenlogd(stage);
      const port = await freePort();
      for (const address of [ONE, TWO]) {
        await startNginx(stage, address, port, `| ${shell(OURS.penlog, '127.0.0.1', logPort, address)}`);
      }
      const { port: penPort } = await startPen(stage, before, [ONE, TWO], port, `127.0.0.1:${logPort}`);
      const rotation = new Rotation(stage, daemon);
      const clients = CLIENTS.map((address) => new Client(address, penPort));
      const asked = await visit(clients, 40, () => rotation.rotate());
      await until(
        () => rotation.lines().length >= asked.length,
        () => `${rotation.lines().length} of ${asked.length} lines`,
      );
      expect(await daemon.stop()).toBe(0);
      expect(rotation.lines().map(timeless).sort()).toEqual(asked);
    },
  );
});

needs({ linux: true, root: true, packages: ['apache2-bin', 'pen'] }, 'Apache, penlog, penlogd', () => {
  test('no line is lost when Apache is told to start anew, which ends its penlog', async () => {
    const { port: logPort, daemon } = await startPenlogd(stage);
    const port = await freePort();
    const command = `"|${shell(OURS.penlog, '127.0.0.1', logPort, ONE)}"`;
    const { program } = await startApache(stage, ONE, port, command);
    const { port: penPort } = await startPen(stage, PENS['Pen']!, [ONE], port, `127.0.0.1:${logPort}`);
    const client = new Client(CLIENTS[0]!, penPort);
    const rotation = new Rotation(stage, daemon);
    for (let round = 0; round < 3; round++) {
      await client.get(`/${round}`);
      // Node itself takes a moment to start, in which a signal ends it.
      await until(
        () => rotation.lines().length === client.asked.length,
        () => `no line: ${program.said}`,
      );
      for (let at = 1; at < 20; at++) await client.get(`/${round}/${at}`);
      program.child.kill('SIGUSR1');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    await until(
      () => rotation.lines().length >= 60,
      () => `${rotation.lines().length} of 60 lines: ${program.said}`,
    );
    expect(await daemon.stop()).toBe(0);
    expect(rotation.lines().map(timeless).sort()).toEqual(client.asked.toSorted());
  });
});

needs({ linux: true, root: true, packages: ['nginx', 'apache2-bin', 'pen'] }, 'mergelogs', () => {
  test.each(Object.entries(PENS))(
    'makes what the clients remember of the logs of nginx and Apache in three zones, and of the file of pen (%s)',
    async (_, before) => {
      const port = await freePort();
      await startNginx(stage, ONE, port, stage.path('one'), 'Asia/Kolkata');
      await startApache(stage, TWO, port, stage.path('two'), 'America/New_York');
      const { port: penPort, pen } = await startPen(stage, before, [ONE, TWO], port, stage.path('pen'));
      const clients = CLIENTS.map((address) => new Client(address, penPort));
      for (let round = 0; round < 20; round++) {
        await Promise.all(
          clients.map(async (client, number) => {
            await client.get('/same');
            await client.get(`/${number}/${round}`);
            await client.get(`/${number}/${'long/'.repeat(30)}`);
          }),
        );
      }
      expect(await pen.stop()).toBe(0);
      const args = ['-p', stage.path('pen'), `${ONE}:${stage.path('one')}`, `${TWO}:${stage.path('two')}`];
      const asked = clients.flatMap((client) => client.asked).sort();
      const count = (name: string): number => readFileSync(stage.path(name), 'latin1').split('\n').length - 1;
      await until(
        () => count('one') + count('two') >= asked.length,
        () => `${count('one')} and ${count('two')} lines`,
      );
      const ours = run([...OURS.mergelogs, '-d', ...args], { TZ: 'Pacific/Auckland' });
      expect(ours).toMatchObject({
        status: 0,
        stderr: expect.stringMatching(/ lines, \d+ with a client, 0 without, 0 of/),
      });
      const lines = ours.stdout.split('\n').slice(0, -1);
      expect(lines.map(timeless).sort()).toEqual(asked);
      const times = lines.map((line) => /\[(.*)\]/.exec(line)?.[1] ?? '');
      expect(times).toEqual(times.toSorted());
      expect(times.every((time) => time.endsWith(' +0000'))).toBe(true);
      expect(Math.abs(Date.parse((times[0] ?? '').replace(/\//g, ' ').replace(':', ' ')) - Date.now())).toBeLessThan(
        600_000,
      );
    },
  );

  test("says of plain logs what Debian's says, but for its times", async () => {
    const port = await freePort();
    await startNginx(stage, ONE, port, stage.path('one'));
    await startNginx(stage, TWO, port, stage.path('two'));
    const { port: penPort, pen } = await startPen(stage, PENS["Debian's pen"]!, [ONE, TWO], port, stage.path('pen'));
    const clients = CLIENTS.map((address) => new Client(address, penPort));
    await Promise.all(
      clients.map(async (client, number) => {
        for (let at = 0; at < 20; at++) await client.get(`/${number}/${at}`);
      }),
    );
    expect(await pen.stop()).toBe(0);
    const args = ['-p', stage.path('pen'), `${ONE}:${stage.path('one')}`, `${TWO}:${stage.path('two')}`];
    const [ours, debians] = [OURS, DEBIANS].map(({ mergelogs }) => run([...mergelogs, ...args], { TZ: 'UTC' }));
    expect(ours?.stdout.split('\n').map(timeless).sort()).toEqual(debians?.stdout.split('\n').map(timeless).sort());
    expect(ours?.stdout.split('\n')).toHaveLength(121);
  });
});
