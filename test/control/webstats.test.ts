/** The CGI program behind real web servers. */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Pen } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const WEBSTATS = fileURLToPath(new URL('../../dist/bin/webstats.js', import.meta.url));
const IS_ROOT = process.getuid?.() === 0;
const MODULES = '/usr/lib/apache2/modules';

let folder = '';
let program = '';
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pen-cgi-'));
  chmodSync(folder, 0o755);
  program = join(folder, 'webstats.mjs');
  // Where also a web server that is nobody may read it, and the Node that we are.
  copyFileSync(WEBSTATS, program);
  chmodSync(program, 0o755);
  bring(process.execPath, join(folder, 'node'));
});
afterEach(async () => {
  for (const child of children.splice(0).toReversed()) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true });
});

/** A hundred megabytes: as a link where that is possible. */
function bring(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** Starts a server and waits until it takes connections. */
async function serve(port: number, command: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}:/usr/sbin:/sbin` };
  // In a group of its own, because fcgiwrap ends its whole group when it is told to end.
  const options = {
    stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'],
    env,
    cwd: folder,
    detached: true,
  };
  const child = spawn(command, args, options);
  children.push(child);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  for (let tries = 0; !(await isOpen(port)); tries++) {
    if (tries === 500 || child.exitCode !== null) throw new Error(`${command} does not serve: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** nginx asks fcgiwrap, which runs the program. */
async function nginx(control: string): Promise<string> {
  const [port, wrap] = [await freePort(), await freePort()];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `${IS_ROOT ? 'user root;' : ''} daemon off; pid ${folder}/nginx.pid; error_log stderr; worker_processes 1; events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    location = /pen {
      fastcgi_pass 127.0.0.1:${wrap};
      fastcgi_param SCRIPT_FILENAME ${program};
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param PEN_CONTROL ${control};
    }
  }
}
`,
  );
  await serve(wrap, 'fcgiwrap', ['-s', `tcp:127.0.0.1:${wrap}`]);
  await serve(port, 'nginx', ['-e', 'stderr', '-p', folder, '-c', config]);
  return `http://127.0.0.1:${port}/pen`;
}

/** Apache runs the program itself, as nobody when we are root. */
async function apache(control: string): Promise<string> {
  const port = await freePort();
  const config = join(folder, 'apache.conf');
  mkdirSync(join(folder, 'run'));
  const modules = ['mpm_prefork', 'authz_core', 'alias', 'env', 'cgi'];
  writeFileSync(
    config,
    `ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/run/apache.pid
DefaultRuntimeDir ${folder}/run
ErrorLog ${folder}/run/error.log
StartServers 1
${modules.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${IS_ROOT ? 'User nobody\nGroup nogroup' : ''}
ScriptAlias /pen ${program}
SetEnv PEN_CONTROL ${control}
<Directory ${dirname(program)}>
  Require all granted
</Directory>
`,
  );
  await serve(port, 'apache2', ['-D', 'FOREGROUND', '-f', config]);
  return `http://127.0.0.1:${port}/pen`;
}

needs({ linux: true, packages: ['nginx', 'fcgiwrap', 'apache2-bin'] }, 'webstats', () => {
  test.each([
    ['nginx with fcgiwrap', nginx],
    ['Apache', apache],
  ])('behind %s shows the page of the Pen that it was told of, and says so when there is none', async (_, start) => {
    const control = `127.0.0.1:${await freePort()}`;
    const pen = await Pen.start({ servers: ['127.0.0.1:9:5:7'], options: ['-C', control, ...AS_WHO_WE_ARE] });
    try {
      const url = await start(control);
      const page = await fetch(url);
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(await page.text()).toMatch(
        /^<!DOCTYPE html>[^]*<td>127\.0\.0\.1<\/td>\n<td>0<\/td>\n<td>9<\/td>[^]*<\/html>\n$/,
      );
      const json = await fetch(`${url}?format=json`);
      expect(json.headers.get('content-type')).toBe('application/json');
      expect(await json.json()).toMatchObject({ pid: pen.pid, servers: [{ port: 9, max: 5, hard: 7 }] });
      // A query without a sign of equality becomes arguments.
      const odd = await fetch(`${url}?127.0.0.1:1+exit`, { headers: { 'Pen-Control': '127.0.0.1:1' } });
      expect(await odd.text()).toContain('<td>9</td>');
      expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(405);
      const head = await fetch(url, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
      await pen.stop();
      const gone = await fetch(url);
      expect([gone.status, await gone.text()]).toEqual([502, '502 Bad Gateway\n']);
    } finally {
      await pen.stop();
    }
  });
});

test('it is one file that has all it needs', () => {
  const imports = [...readFileSync(WEBSTATS, 'utf8').matchAll(/^import .* from "([^"]+)";$/gm)].map(([, from]) => from);
  expect(imports.filter((from) => from?.startsWith('node:') !== true)).toEqual([]);
});
