/** A start that cannot work ends at once, with status 1 and one line that says what is wrong and what would be right. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { LOOPS } from '../support/rig.ts';
import { PEN, Pen, type PenOptions } from '../support/pen.ts';
import { Server } from '../support/server.ts';
import { needs, needsLoop } from '../support/skip.ts';

const folder = mkdtempSync(join(tmpdir(), 'pen-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const START_LIMIT_MS = 5000;
const PENCTL = join(dirname(PEN), 'penctl.js');
const SERVERS = ['127.0.0.1:9'];

interface Refusal {
  readonly what: string;
  readonly with: Partial<PenOptions>;
  /** What the line must name: the culprit, and what would be right. */
  readonly says: readonly RegExp[];
}

const REFUSALS: readonly Refusal[] = [
  { what: 'an unknown option', with: { options: ['-Y'] }, says: [/-Y/, /--help/] },
  { what: 'an unknown long option', with: { options: ['--nonsense'] }, says: [/--nonsense/] },
  { what: 'a word as number', with: { options: ['-x', 'many'] }, says: [/-x/, /'many'/, /from 0 to/] },
  { what: 'a negative number', with: { options: ['-x=-5'] }, says: [/-x/, /from 0 to/] },
  { what: 'a number too large', with: { options: ['-x', '99999999'] }, says: [/-x/, /from 0 to \d+/] },
  { what: 'a timeout of 0', with: { options: ['-t', '0'] }, says: [/-t/, /from 1 to/] },
  {
    what: 'an unknown command',
    with: { options: ['-O', 'frobnicate 1'] },
    says: [/-O/, /frobnicate/, /no such command/],
  },
  {
    what: 'a wrong word',
    with: { options: ['-O', 'tcp_fastclose sideways'] },
    says: [/sideways/, /off, up, down, both/],
  },
  { what: 'no server', with: { servers: [] }, says: [/^pen: server: missing/, /at least one server/] },
  { what: 'a port beyond the last', with: { listen: '127.0.0.1:65536' }, says: [/65536/, /65535/] },
  {
    what: 'a service nobody knows',
    with: { servers: ['127.0.0.1:nosuchservice'] },
    says: [/nosuchservice/, /services/],
  },
  {
    what: 'a host nobody knows',
    with: { servers: ['no-such-host.invalid:80'] },
    says: [/no-such-host\.invalid/, /resolve/],
  },
  { what: 'too many fields', with: { servers: ['127.0.0.1:1:2:3:4:5:6'] }, says: [/too many fields/, /host:port/] },
  { what: 'a bare IPv6 address', with: { servers: ['fe80::1:2:3:4:5:6'] }, says: [/brackets/] },
  { what: 'an address of somebody else', with: { listen: '192.0.2.1:0' }, says: [/192\.0\.2\.1/] },
  { what: 'a socket in a folder that is not there', with: { listen: join(folder, 'no', 'x.sock') }, says: [/x\.sock/] },
  { what: 'a socket path too long', with: { listen: `/${'x'.repeat(200)}` }, says: [/201 bytes/, /107|104/] },
  {
    what: 'O2: more connections than descriptors allow',
    with: { options: ['-x', '5000'], descriptors: 256 },
    says: [
      /^pen: -x 'conn_max': 5000 connections need/,
      /5000 connections need 10\d\d\d descriptors/,
      /limit is 256/,
      /at most \d+ connections/,
    ],
  },
  { what: 'a line break in a name', with: { servers: ['no-such\nhost:80'] }, says: [/no-such\\u000ahost/] },
  {
    what: "several workers on Node's own loop",
    with: { loop: 'node', options: ['-O', 'workers 2'] },
    says: [/^pen: -O 'workers': /, /exactly one/],
  },
  {
    what: "more connections than Node's own loop has room for",
    with: { loop: 'node', options: ['-x', '20000'] },
    says: [/conn_max/, /room for 16384/],
  },
  { what: 'O2: no descriptor to spare', with: { descriptors: 40 }, says: [/descriptors/, /limit is 40/] },
];

async function refusal(
  options: Partial<PenOptions>,
): Promise<{ code: number | null; ms: number; lines: readonly string[] }> {
  const { exit, lines } = await Pen.run({ servers: SERVERS, ...options });
  return { code: exit.code, ms: exit.ms, lines };
}

needs({ linux: true }, 'starts that fail', () => {
  test.each(REFUSALS)(
    '$what: status 1 and one line that tells what would be right',
    async ({ with: options, says }) => {
      const { code, ms, lines } = await refusal(options);
      expect({ code, lines: lines.length }, lines.join('\n')).toEqual({ code: 1, lines: 1 });
      for (const wanted of says) expect(lines[0]).toMatch(wanted);
      expect(ms).toBeLessThan(START_LIMIT_MS);
    },
  );
});

for (const loop of LOOPS) {
  needsLoop(loop, 'listening where somebody else does', () => {
    test('a port in use: status 1 and one line that names it; whoever has the port keeps it', async () => {
      const holder = new Server();
      try {
        const { code, lines } = await refusal({ loop, listen: holder.address });
        expect({ code, lines: lines.length }, lines.join('\n')).toEqual({ code: 1, lines: 1 });
        expect(lines[0]).toContain(holder.address);
        expect(lines[0]).toMatch(/another socket has this port.*choose another port/);
      } finally {
        holder.close();
      }
    });

    test('a unix socket: one that nobody answers on makes room, one in use and another file are left alone', async () => {
      const path = join(folder, `${loop}.sock`);
      const first = await Pen.start({ loop, listen: path, servers: SERVERS });
      const second = await refusal({ loop, listen: path });
      expect([second.code, second.lines.length]).toEqual([1, 1]);
      expect(second.lines[0]).toMatch(/\.sock: somebody answers on this socket; stop that process/);
      first.child.kill('SIGKILL');
      await first.ended;
      expect(existsSync(path), 'it was left behind').toBe(true);
      const third = await Pen.start({ loop, listen: path, servers: SERVERS });
      expect((await third.stop()).code).toBe(0);
      expect(existsSync(path)).toBe(false);
      writeFileSync(path, 'precious');
      const fourth = await refusal({ loop, listen: path });
      expect([fourth.code, fourth.lines.length]).toEqual([1, 1]);
      expect(fourth.lines[0]).toMatch(/the path exists and is no socket; it was left alone/);
      expect(readFileSync(path, 'utf8')).toBe('precious');
    });

    test('a control socket belongs to its owner alone, and one that cannot be had ends the start', async () => {
      const path = join(folder, `${loop}.control`);
      const options = ['-C', path, ...AS_WHO_WE_ARE];
      const pen = await Pen.start({ loop, options, servers: SERVERS });
      expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
      expect(await ask(path, 'mode\n')).toMatch(/^no hash/);
      const second = await refusal({ loop, options });
      expect([second.code, second.lines.length]).toEqual([1, 1]);
      expect(second.lines[0]).toMatch(/^pen: -C: cannot listen on .*: somebody answers on this socket/);
      expect((await pen.stop()).code).toBe(0);
      expect(existsSync(path)).toBe(false);
      // The listener fails after the control socket stands: neither may stay.
      const holder = new Server();
      expect((await refusal({ loop, options, listen: holder.address })).code).toBe(1);
      holder.close();
      expect(existsSync(path)).toBe(false);
    });

    test('a second Pen on the same port: the second one ends, the first goes on', async () => {
      const first = await Pen.start({ loop, servers: SERVERS });
      const { code, lines } = await refusal({ loop, listen: `127.0.0.1:${first.port}` });
      expect({ code, lines: lines.length }, lines.join('\n')).toEqual({ code: 1, lines: 1 });
      expect(first.isAlive).toBe(true);
      expect((await first.stop()).code).toBe(0);
    });
  });
}

needs({ linux: true }, 'next to no descriptors', () => {
  // With fewer Node itself ends by a signal or with a stack of its own, before a line of ours runs.
  let lowest = 10;
  beforeAll(() => {
    while (limited(lowest, [PENCTL, '--help']).status !== 0) lowest++;
  });

  test.each(['-f', '-r'])(
    'as soon as Node can run a program, Pen says with %s what is right, and nothing else',
    (option) => {
      const said = new Set<string>();
      for (let limit = lowest; limit < lowest + 10; limit++) {
        const { status, stderr } = limited(limit, [PEN, option, '-x', '1', '127.0.0.1:0', '127.0.0.1:9']);
        const [line = '', ...rest] = stderr.trim().split('\n');
        expect({ limit, status, rest }, stderr).toEqual({ limit, status: 1, rest: [] });
        expect(line).toMatch(/^pen: (-x 'conn_max'|descriptors): .*limit (is|of) \d+.*raise it \(ulimit -n \d+[,)]/);
        said.add(line.replace(/\d+/g, 'N'));
      }
      if (option !== '-f') expect([...said].join('\n')).toMatch(/too low to start; raise it/);
    },
  );

  function limited(limit: number, args: readonly string[]) {
    const command = ['-c', `ulimit -n ${limit} && exec "$@"`, 'sh', process.execPath, ...args];
    return spawnSync('sh', command, { encoding: 'utf8', timeout: START_LIMIT_MS });
  }
});
