/** The real servers behind every contender: two nginx processes with one worker each. */
import { closeSync, openSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fetchOnce, hashBody, waitUntilServing } from './client.ts';
import { freePorts, startService, stopService, temporaryDirectory, type Service } from './processes.ts';
import { START_SECONDS_MAX } from './types.ts';

const BLOCK = 1 << 20;
const SMALL_BODY = `${'a small body of sixty-four bytes, '.repeat(2).slice(0, 63)}\n`;

/** The file that the bulk rows transfer. */
export interface BulkFile {
  readonly directory: string;
  readonly bytes: number;
}

/** Two running origin servers and what a correct answer of theirs looks like. */
export interface Origin {
  readonly ports: readonly [number, number];
  /** Bytes of a whole response to `/`, head included. */
  readonly keepAliveBytes: number;
  readonly closeBytes: number;
  readonly bulkBytes: number;
  readonly bulkDigest: string;
  readonly stop: () => Promise<void>;
}

/**
 * Writes the bulk file, on tmpfs where there is room. Every block differs, so that lost, repeated
 * or swapped blocks change its digest.
 */
export function writeBulkFile(bytes: number): BulkFile {
  const directory = temporaryDirectory(hasRoom('/dev/shm', bytes) ? '/dev/shm' : undefined);
  const file = openSync(join(directory, 'big'), 'w', 0o644);
  const block = Buffer.alloc(Math.min(BLOCK, bytes));
  let state = 1;
  for (let i = 0; i + 4 <= block.length; i += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    block.writeUInt32LE(state, i);
  }
  for (let written = 0; written < bytes; written += block.length) {
    block.writeUInt32LE(written >>> 0, 0);
    writeSync(file, block, 0, Math.min(block.length, bytes - written));
  }
  closeSync(file);
  return { directory, bytes };
}

function hasRoom(directory: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize > 2 * bytes;
  } catch {
    return false; // No such file system here: the ordinary temporary directory will do.
  }
}

function configuration(port: number, directory: string, bulk: BulkFile): string {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${directory}/${name};`,
  );
  return `daemon off;
worker_processes 1;
pid ${directory}/nginx-${port}.pid;
error_log stderr crit;
events { worker_connections 20000; }
http {
${scratch.join('\n')}
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  reset_timedout_connection off;
  send_timeout 1h;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = / { return 200 "${SMALL_BODY.replace('\n', '\\n')}"; }
    location = /big { root ${bulk.directory}; }
  }
}
`;
}

/**
 * Starts both origin servers (with `prefix`, e.g. `taskset`) and learns the sizes of correct
 * answers from them. Rejects where nginx is missing or does not serve.
 */
export async function startOrigin(bulk: BulkFile, prefix: readonly string[]): Promise<Origin> {
  const directory = temporaryDirectory();
  const [first = 0, second = 0] = await freePorts(2);
  const services: Service[] = [];
  for (const port of [first, second]) {
    const file = join(directory, `nginx-${port}.conf`);
    writeFileSync(file, configuration(port, directory, bulk));
    const service = startService([...prefix, 'nginx', '-e', 'stderr', '-c', file]);
    services.push(service);
    try {
      await waitUntilServing(port, () => service.exitCode === null, START_SECONDS_MAX);
    } catch (cause) {
      throw new Error(`origin server: ${service.output().stderr}`, { cause });
    }
  }
  const [keepAlive, close, big] = await Promise.all([
    fetchOnce(first, '/', false),
    fetchOnce(first, '/', true),
    hashBody(second, '/big'),
  ]);
  if (big.bytes !== bulk.bytes) throw new Error(`/big has ${big.bytes} of ${bulk.bytes} bytes`);
  return {
    ports: [first, second],
    keepAliveBytes: keepAlive.length,
    closeBytes: close.length,
    bulkBytes: bulk.bytes,
    bulkDigest: big.digest,
    stop: async () => {
      await Promise.all(services.map(stopService));
    },
  };
}
