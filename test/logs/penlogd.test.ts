/** `penlogd` and `penlog` with real datagrams: what is sent arrives as lines, once and whole, whoever else sends. */
import { copyFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Jail, NOBODY, noRights, rightsOf } from '../privileges/jail.ts';
import { needs } from '../support/skip.ts';
import { DEBIANS, freeUdpPort, OURS, Rotation, run, Sender, Stage, startPenlogd, until } from './programs.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const log = (): string => readFileSync(stage.path('log'), 'latin1');
const web = (at: number, client = '9.9.9.9'): string =>
  `${client} - - [09/Jan/2002:00:28:50 +0100] "GET /${at} HTTP/1.0" 200 ${at}`;

/** What it has told last. */
function countsOf(said: string) {
  const told = said.split('\n').findLast((line) => line.includes(' requests of pen'));
  const names = ['requests', 'found', 'missed', 'unwritten', 'malformed', 'strangers', 'dropped'] as const;
  const numbers = (told ?? '').replace(/^.*?: /, '').match(/\d+/g) ?? [];
  return Object.fromEntries(names.map((name, at) => [name, Number(numbers[at])])) as Record<
    (typeof names)[number],
    number
  >;
}

describe('penlogd', () => {
  test('loses and tears no line while its log is renamed at 5,000 lines a second, nor when it ends', async () => {
    const { port, daemon } = await startPenlogd(stage);
    const rotation = new Rotation(stage, daemon);
    const sender = await Sender.from('127.0.0.1', port);
    let bytes = 0;
    for (let at = 0; at < 15_000; at++) {
      const client = `1.1.${at >> 8}.${at & 255}`;
      await sender.send(`+ ${client} 127.0.0.1 GET /${at} HTTP/1.0\n`);
      await sender.send(`${web(at)}\n`);
      bytes += web(at, client).length + 1;
      if (at % 25 === 24) await new Promise((resolve) => setTimeout(resolve, 5));
      // A machine that is busy with other things gets the time that it needs.
      if (at % 100 === 99)
        await until(
          () => rotation.bytes() >= bytes - 10_000,
          () => daemon.said,
        );
      if (at % 1000 === 999) await rotation.rotate();
    }
    sender.close();
    expect(await daemon.stop()).toBe(0);
    expect(rotation.lines()).toEqual(Array.from({ length: 15_000 }, (_, at) => web(at, `1.1.${at >> 8}.${at & 255}`)));
  });

  test('goes on at the start of a log that was copied and cut', async () => {
    const { port, daemon } = await startPenlogd(stage, ['-w', '0']);
    const sender = await Sender.from('127.0.0.1', port);
    await sender.send(web(1));
    await until(() => log() !== '', log);
    copyFileSync(stage.path('log'), stage.path('copy'));
    truncateSync(stage.path('log'));
    await sender.send(web(2));
    await until(() => log() !== '', log);
    sender.close();
    await daemon.stop();
    expect([readFileSync(stage.path('copy'), 'latin1'), log()]).toEqual([`${web(1)}\n`, `${web(2)}\n`]);
  });

  test('keeps its log, and says so, when it cannot be opened again', async () => {
    const { port, daemon } = await startPenlogd(stage, ['-w', '0']);
    run(['sh', '-c', `mv ${stage.path('log')} ${stage.path('old')} && mkdir ${stage.path('log')}`]);
    daemon.child.kill('SIGHUP');
    await until(
      () => daemon.said.includes('it is a folder'),
      () => daemon.said,
    );
    const sender = await Sender.from('127.0.0.1', port);
    await sender.send(web(1));
    await until(
      () => readFileSync(stage.path('old'), 'latin1') !== '',
      () => daemon.said,
    );
    sender.close();
    expect(daemon.said).toContain('the log stays where it is: it is a folder');
  });

  test('takes whatever comes, from whomever, makes one line of each at most, and counts all', async () => {
    const { port, daemon } = await startPenlogd(stage, ['-a', '127.0.0.1', '-a', '::1', '-w', '0']);
    const random = new Prng(7);
    const [known, six, stranger] = [
      await Sender.from('127.0.0.1', port),
      await Sender.from('::1', port),
      await Sender.from('127.0.0.66', port),
    ];
    const sent = { known: 0, stranger: 0 };
    for (let at = 0; at < 3000; at++) {
      const length = at % 100 === 0 ? 65_000 : 25 + random.below(300);
      const bytes = Uint8Array.from({ length }, () => random.below(256));
      if (at % 3 === 0) bytes.set(Buffer.from('+ 1.1.1.1 127.0.0.1 '));
      if (at % 3 === 1) bytes.set(Buffer.from('"'), 1);
      await (at % 2 === 0 ? known : six).send(bytes);
      sent.known++;
      await stranger.send(at % 2 === 0 ? '+ 6.6.6.6 127.0.0.1 GET /a\n' : web(at, '6.6.6.6'));
      sent.stranger++;
      if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await known.send('+ 1.1.1.1 127.0.0.1 GET /a\n');
    await known.send('9.9.9.9 - - [x] "GET /a" 200\n');
    sent.known += 2;
    await until(
      () => log().endsWith('1.1.1.1 - - [x] "GET /a" 200\n'),
      () => daemon.said,
    );
    daemon.child.kill('SIGUSR1');
    await until(
      () => daemon.said.includes(' requests of pen'),
      () => daemon.said,
    );
    for (const sender of [known, six, stranger]) sender.close();
    const { requests, found, missed, malformed, strangers, dropped } = countsOf(daemon.said);
    // What a busy machine has no time for is counted, too, and nobody knows whose it was.
    expect(requests + found + missed + malformed + strangers + dropped).toBe(sent.known + sent.stranger);
    expect(strangers).toBeLessThanOrEqual(sent.stranger);
    expect(strangers).toBeGreaterThanOrEqual(sent.stranger - dropped);
    expect(await daemon.stop()).toBe(0);
    const lines = log().split('\n').slice(0, -1);
    expect(lines).toHaveLength(found + missed);
    expect(lines.at(-1)).toBe('1.1.1.1 - - [x] "GET /a" 200');
    for (const line of lines) expect(Buffer.from(line, 'latin1').toString()).not.toMatch(/(?!\t)\p{Cc}|\ufffd/u);
    expect(lines.filter((line) => line.startsWith('6.6.6.6'))).toEqual([]);
  });

  test('tells how many datagrams were lost because it had no time for them', async () => {
    const { port, daemon } = await startPenlogd(stage, ['-w', '0']);
    const sender = await Sender.from('127.0.0.1', port);
    daemon.child.kill('SIGSTOP');
    const sent = 30_000;
    for (let at = 0; at < sent; at++) await sender.send('no quotes');
    sender.close();
    daemon.child.kill('SIGCONT');
    await until(
      () => {
        daemon.child.kill('SIGUSR1');
        const { missed, dropped } = countsOf(daemon.said);
        return missed + dropped === sent;
      },
      () => daemon.said.slice(-1000),
    );
    expect(countsOf(daemon.said).dropped).toBeGreaterThan(0);
    await daemon.stop();
    expect(log().split('\n')).toHaveLength(countsOf(daemon.said).missed + 1);
  });

  test('works in the background, and ends with its pid file', async () => {
    const port = await freeUdpPort();
    const [pid, path] = [stage.path('pid'), stage.path('log')];
    expect(run([...OURS.penlogd, '-p', pid, '-l', path, String(port)])).toMatchObject({ status: 0, stdout: '' });
    const number = Number(readFileSync(pid, 'utf8'));
    expect(run([...OURS.penlogd, '-l', path, String(port)])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`penlogd: port: cannot open port ${port}: another program has it`),
    });
    const sender = await Sender.from('127.0.0.1', port);
    await sender.send('no quotes');
    sender.close();
    await until(() => log() === 'no quotes\n', log);
    process.kill(number, 'SIGTERM');
    await until(
      () => !existsSync(pid),
      () => 'the pid file stays',
    );
  });

  test('writes to standard output without a log', async () => {
    const port = await freeUdpPort();
    const daemon = stage.start([...OURS.penlogd, '-f', '-d', String(port)]);
    const sender = await Sender.from('127.0.0.1', port);
    await until(
      async () => {
        await sender.send('no quotes');
        return daemon.printed !== '';
      },
      () => daemon.said,
    );
    sender.close();
    expect(await daemon.stop('SIGINT')).toBe(0);
    expect(new Set(daemon.printed.split('\n'))).toEqual(new Set(['no quotes', '']));
    expect(daemon.said).toMatch(/\d+ without, 0 not written; datagrams: 0 malformed/);
  });

  test('says what is wrong with its command line', async () => {
    const port = String(await freeUdpPort());
    const say = (...args: string[]) => run([...OURS.penlogd, '-f', ...args]);
    expect(run(OURS.penlogd)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: penlogd /) });
    const wrong: [string[], string][] = [
      [['x'], "port: 'x' is not a whole number from 1 to 65535"],
      [['1', '2'], '2: the port is 1 already'],
      [['-n', '0', '1'], "-n: '0' is not a whole number from 1 to"],
      [['-a', 'www', '1'], "-a: 'www' is neither an address nor a network"],
      [['-l', '/none/log', port], "-l: cannot write to '/none/log': the folder does not exist"],
      [['-u', 'nosuchuser', port], '-u: '],
      [['-x', port], '-x: no such option; penlogd --help lists them'],
    ];
    for (const [args, message] of wrong) {
      expect(say(...args)).toMatchObject({ status: 1, stderr: expect.stringContaining(`penlogd: ${message}`) });
    }
  });
});

needs({ linux: true, root: true }, 'penlogd as root', () => {
  test('gives up its rights, and rotates its log in a jail', async () => {
    const jail = new Jail();
    try {
      const port = await freeUdpPort();
      const files = ['-l', `${jail.ownInside}/log`, '-p', `${jail.ownInside}/pid`];
      const daemon = stage.start([...OURS.penlogd, '-f', '-u', NOBODY.name, '-j', jail.path, ...files, String(port)]);
      const inside = (name: string): string => `${jail.own}/${name}`;
      await until(
        () => existsSync(inside('pid')),
        () => daemon.said,
      );
      expect([...rightsOf(daemon.pid).keys()]).toEqual([noRights(jail.path, jail.path)]);
      const sender = await Sender.from('127.0.0.1', port);
      await sender.send('one');
      await until(
        () => readFileSync(inside('log'), 'utf8') === 'one\n',
        () => daemon.said,
      );
      run(['mv', inside('log'), inside('old')]);
      daemon.child.kill('SIGHUP');
      await until(
        () => existsSync(inside('log')),
        () => daemon.said,
      );
      await sender.send('two');
      await until(
        () => readFileSync(inside('log'), 'utf8') === 'two\n',
        () => daemon.said,
      );
      sender.close();
      expect(await daemon.stop()).toBe(0);
      expect(existsSync(inside('pid'))).toBe(false);
    } finally {
      jail.remove();
    }
  });
});

describe('penlog', () => {
  test('sends each line as one datagram, also long ones and the last', async () => {
    const { port, daemon } = await startPenlogd(stage, ['-w', '0']);
    const long = `a ${'x'.repeat(60_000)}`;
    const input = ['one', '', `nul\0 byte`, long, 'y'.repeat(70_000), 'last'].join('\n');
    const sent = run([...OURS.penlog, '127.0.0.1', String(port)], {}, input);
    expect(sent).toEqual({ status: 0, stdout: '', stderr: 'penlog: lines cut after 65507 bytes: 1\n' });
    const expected = ['one', 'nul\\x00 byte', long, 'y'.repeat(65_506), 'last'].map((line) => `${line}\n`).join('');
    await until(() => log().length >= expected.length, log);
    expect(log()).toBe(expected);
    await daemon.stop();
  });

  test('sends from the address that it is told, which names the server', async () => {
    const { port } = await startPenlogd(stage);
    const sender = await Sender.from('127.0.0.1', port);
    await sender.send('+ 1.1.1.1 127.0.0.9 GET /\n');
    await sender.send('+ 2.2.2.2 ::1 GET /\n');
    sender.close();
    const input = '9.9.9.9 - "GET /" 1\n';
    expect(run([...OURS.penlog, '127.0.0.1', String(port), '127.0.0.9'], {}, input).status).toBe(0);
    expect(run([...OURS.penlog, '::1', String(port)], {}, input).status).toBe(0);
    await until(() => log().split('\n').length === 3, log);
    expect(log()).toBe('1.1.1.1 - "GET /" 1\n2.2.2.2 - "GET /" 1\n');
  });

  test('goes on when nobody takes its lines, and says so', async () => {
    const port = await freeUdpPort();
    const penlog = stage.start([...OURS.penlog, '127.0.0.1', String(port)]);
    penlog.child.stdin?.write('one\n');
    await until(
      () => penlog.said !== '',
      () => 'penlog says nothing',
    );
    penlog.child.stdin?.end('two\n');
    expect(await penlog.ended()).toBe(0);
    expect(penlog.said).toMatch(
      /^penlog: lines do not arrive \(ECONNREFUSED\)[^\n]*\npenlog: lines that did not arrive: \d/,
    );
  });

  test('ends at the end of a line when it is told to', async () => {
    const { port } = await startPenlogd(stage, ['-w', '0']);
    const penlog = stage.start([...OURS.penlog, '127.0.0.1', String(port)]);
    penlog.child.stdin?.write('one\ntw');
    await until(() => log() === 'one\n', log);
    penlog.child.kill('SIGTERM');
    penlog.child.stdin?.write('o\n');
    expect(await penlog.ended()).toBe(0);
    await until(() => log() === 'one\ntwo\n', log);
  });

  test('says what is wrong with its command line', () => {
    const wrong: [string[], string][] = [
      [['127.0.0.1'], 'penlog: arguments: usage: penlog server_ip server_port [my_ip]'],
      [['127.0.0.1', '0'], "penlog: server_port: '0' is neither a number"],
      [['127.0.0.1', '1', '192.0.2.1'], "penlog: my_ip: cannot send from '192.0.2.1' (EADDRNOTAVAIL)"],
      [['127.0.0.1', '1', 'x'], "penlog: my_ip: 'x' is no address"],
    ];
    for (const [args, message] of wrong) {
      expect(run([...OURS.penlog, ...args])).toMatchObject({ status: 1, stderr: expect.stringContaining(message) });
    }
  });
});

needs({ packages: ['pen'] }, "beside Debian's", () => {
  test.each([
    ['both are ours', OURS.penlog, OURS.penlogd],
    ["penlog is Debian's", DEBIANS.penlog, OURS.penlogd],
    ["penlogd is Debian's", OURS.penlog, DEBIANS.penlogd],
    ["both are Debian's", DEBIANS.penlog, DEBIANS.penlogd],
  ])('the log is the same when %s', async (_, penlog, penlogd) => {
    const { port, daemon } = await startPenlogd(stage, [], penlogd);
    const input = [
      '+ 1.1.1.1 127.0.0.1 GET /a HTTP/1.0',
      '10.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET /a HTTP/1.0" 404 268',
      '10.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET /b HTTP/1.0" 404 268 "-" "x"',
      '+ 2.2.2.2 127.0.0.1 GET /a HTTP/1.0',
      '10.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET /a HTTP/1.0" 404 268',
      '+ 3.3.3.3 127.0.0.2 GET /c HTTP/1.0',
      '10.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET /c HTTP/1.0" 404 268',
    ];
    expect(run([...penlog, '127.0.0.1', String(port)], {}, `${input.join('\n')}\n`).status).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await daemon.stop();
    expect(
      log()
        .split('\n')
        .map((line) => line.split(' ', 1)[0]),
    ).toEqual(['1.1.1.1', '10.9.9.9', '2.2.2.2', '10.9.9.9', '']);
  });
});
