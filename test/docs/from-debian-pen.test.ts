/**
 * The page for those who come from Debian's pen is true: all of its commands are run in their order by one shell, and
 * print what the page says.
 *
 * They run as they stand, on the ports and paths of the page, in a network and a mount namespace of their own: with an
 * empty /run, and hosts www1 to www3. Only /usr/local is a folder of the test, because Node itself may live there.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandsOf, patternOf } from '../support/console-blocks.ts';
import { needs } from '../support/skip.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = join(ROOT, 'docs/from-debian-pen.md');
const LIMIT_MS = 120_000;
/** What stands between the outputs of two commands. */
const MARK = '--- next command ---';
/** What Debian's pen says where a country database is not installed. */
const NOISE = /^Error Opening file .*GeoIP.*\n/gm;

/** Each server says its name. */
const SERVERS = `
const { createServer } = require('node:http');
let open = 0;
for (const n of [1, 2, 3]) {
  createServer((request, response) => response.end('hello from www' + n + '\\n'))
    .listen(8000, '127.0.0.1' + n, () => ++open === 3 && console.log('ready'));
}`;

/** Sets the stage, then runs the commands. What they leave running ends with the namespace of processes. */
const STAGE = `
set -e
ip link set lo up
mount -t tmpfs none /run
mount --bind "$FOLDER/hosts" /etc/hosts
exec 3< <(exec node -e "$SERVERS")
read -r <&3
PATH=$FOLDER/local/bin:$PATH
mark() { local status=$?; echo '${MARK}'; return $status; }
set +e
source "$FOLDER/commands"`;

const commands = commandsOf(readFileSync(PAGE, 'utf8'));

needs(
  { linux: true, root: true, netns: true, packages: ['pen', 'curl', 'procps', 'iproute2', 'util-linux'] },
  'moving',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'moving-'));
    let outputs: string[] = [];

    beforeAll(() => {
      const lines = commands.map(({ line }) => `${line.replaceAll('/usr/local', `${folder}/local`)}\nmark\n`);
      writeFileSync(join(folder, 'commands'), lines.join(''));
      const names = [1, 2, 3].map((n) => `127.0.0.1${n} www${n}\n`);
      writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n${names.join('')}`);
      const { stdout } = spawnSync(
        'unshare',
        ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash', '-c', `exec 2>&1\n${STAGE}`],
        { cwd: ROOT, encoding: 'utf8', timeout: LIMIT_MS, env: { ...process.env, FOLDER: folder, SERVERS } },
      );
      outputs = stdout.replace(NOISE, '').split(`${MARK}\n`);
    }, LIMIT_MS);
    afterAll(() => rmSync(folder, { recursive: true }));

    test('all commands have run', () => {
      expect(commands.length).toBeGreaterThan(30);
      expect(outputs).toHaveLength(commands.length + 1);
    });

    describe('each prints what the page says', () => {
      test.each(commands.map((command, index) => ({ ...command, index })))('$line', ({ output, index }) => {
        expect(outputs[index]).toMatch(patternOf(output));
      });
    });
  },
);
