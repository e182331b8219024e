/** Web servers that write logs, a pen in front of them, and clients that remember what they have asked. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { freePort } from '../support/control.ts';
import { PEN } from '../support/pen.ts';
import { until, type Program, type Stage } from './programs.ts';

const MODULES = '/usr/lib/apache2/modules';
const IS_ROOT = process.getuid?.() === 0;
/** A web server in the foreground. */
export interface Site {
  readonly address: string;
  readonly program: Program;
}

/** @param log a file, or `| command` for what nginx writes to its standard output. */
export async function startNginx(
  stage: Stage,
  address: string,
  port: number,
  log: string,
  zone = 'UTC',
): Promise<Site> {
  const folder = stage.path(`nginx-${address}`);
  mkdirSync(folder);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const isPiped = log.startsWith('|');
  writeFileSync(
    `${folder}/nginx.conf`,
    `${IS_ROOT ? 'user root;' : ''} env TZ; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  log_format common '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent';
  access_log ${isPiped ? '/dev/stdout' : log} common;
  large_client_header_buffers 4 32k;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen ${address}:${port};
    location / { return 200 $request_method; }
  }
}
`,
  );
  const command = `exec nginx -e ${folder}/error.log -p ${folder} -c ${folder}/nginx.conf`;
  const program = stage.start(['sh', '-c', isPiped ? `(${command}) ${log}` : command], {
    TZ: zone,
    PATH: `${process.env['PATH']}:/usr/sbin`,
  });
  await serves(address, port, program);
  return { address, program };
}

/** @param log what stands behind CustomLog: a file, or `"|command"`. */
export async function startApache(
  stage: Stage,
  address: string,
  port: number,
  log: string,
  zone = 'UTC',
): Promise<Site> {
  const folder = stage.path(`apache-${address}`);
  mkdirSync(`${folder}/htdocs`, { recursive: true });
  writeFileSync(`${folder}/htdocs/index.html`, 'GET');
  const modules = ['mpm_event', 'authz_core', 'alias', 'dir'];
  writeFileSync(
    `${folder}/apache.conf`,
    `ServerRoot ${folder}
ServerName localhost
Listen ${address}:${port}
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/error.log
StartServers 1
${modules.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${IS_ROOT ? 'User nobody\nGroup nogroup' : ''}
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog ${log} common
DocumentRoot ${folder}/htdocs
AliasMatch ".*" ${folder}/htdocs/index.html
<Directory ${folder}/htdocs>
  Require all granted
</Directory>
`,
  );
  const program = stage.start(['apache2', '-D', 'FOREGROUND', '-f', `${folder}/apache.conf`], {
    TZ: zone,
    PATH: `${process.env['PATH']}:/usr/sbin`,
  });
  await serves(address, port, program);
  return { address, program };
}

/** What stands before them: ours, and Debian's. */
export const PENS: Readonly<Record<string, readonly string[]>> = {
  Pen: [process.execPath, PEN],
  "Debian's pen": ['pen'],
};

/** A pen before them, in turn. @param command its first words. @param log a file, or `host:port`. */
export async function startPen(
  stage: Stage,
  command: readonly string[],
  servers: readonly string[],
  serverPort: number,
  log: string,
): Promise<{ port: number; pen: Program }> {
  const port = await freePort();
  const each = servers.map((address) => `${address}:${serverPort}`);
  const options = ['-f', '-r', '-u', 'root', '-x', '500', '-l', log];
  const pen = stage.start([...command, ...options, `127.0.0.1:${port}`, ...each]);
  await serves('127.0.0.1', port, pen);
  return { port, pen };
}

/** A client asks one thing after the other; `asked` is what its lines are to be, but for the time. */
export class Client {
  readonly asked: string[] = [];
  readonly address: string;
  private readonly port: number;
  private readonly agent = new Agent({ keepAlive: false });

  constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
  }

  /** @param asWritten how a web server writes the path. */
  async get(path: string, asWritten = path): Promise<void> {
    const status = await this.ask(path);
    this.asked.push(`${this.address} - - "GET ${asWritten} HTTP/1.1" ${status} 3`);
  }

  private async ask(path: string): Promise<number> {
    const options = { host: '127.0.0.1', port: this.port, path, localAddress: this.address, agent: this.agent };
    return new Promise((resolve, reject) => {
      request(options, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0)).on('error', reject);
      })
        .on('error', reject)
        .end();
    });
  }
}

/** A line without its time, to be compared. */
export function timeless(line: string): string {
  return line.replace(/\[\d\d\/\w{3}\/\d{4}(:\d\d){3} [+-]\d{4}\] /, '');
}

async function serves(address: string, port: number, program: Program): Promise<void> {
  const isOpen = async (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, address);
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  await until(isOpen, () => `it does not serve at ${address}:${port}: ${program.said}`);
}
