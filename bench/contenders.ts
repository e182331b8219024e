/**
 * Everything that is compared, and how each is started. All are set up alike: one worker, round
 * robin over two servers without client tracking (unless that is asked for), no log, no health
 * checks, long timeouts, a backlog of 4096, and room for the same number of connections.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { waitUntilServing } from './client.ts';
import { freePorts, isInstalled, startService, stopService, temporaryDirectory, type Service } from './processes.ts';
import { START_SECONDS_MAX, type Contender, type ContenderKind } from './types.ts';

const BACKLOG = 4096;
const CLIENTS = 20_000;

/** What all contenders of a row are told. */
export interface Task {
  readonly servers: readonly [number, number];
  /** Connections it must have room for. */
  readonly connections: number;
  /** Whether ours and pen remember which server a client was given, as they do by default, instead of round robin. */
  readonly tracking: boolean;
}

/** What a contender must be told to serve. */
export interface Setup extends Task {
  readonly port: number;
  /** Where it may write its configuration. */
  readonly directory: string;
}

/** A contender that can be started. `command` may write files into `setup.directory`. */
export interface ContenderDefinition {
  readonly id: string;
  readonly label: string;
  readonly kind: ContenderKind;
  readonly version: () => string;
  readonly command: (setup: Setup) => readonly string[];
}

/** A started contender and the way to end it. */
export interface RunningContender extends Contender {
  /** Milliseconds from before its process was made until it had answered a request. */
  readonly startMs: number;
  readonly stop: () => Promise<void>;
}

/** Names accepted for `--peers`. */
export const PEERS = ['pen', 'haproxy', 'nginx'] as const;
export type Peer = (typeof PEERS)[number];

/** Names accepted for `--loops`. */
export const LOOPS = ['uring', 'epoll', 'node'] as const;
export type LoopName = (typeof LOOPS)[number];

function firstLine(program: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 5000 });
  const text = `${stdout}\n${stderr}`;
  return pattern.exec(text)?.[1]?.trim() ?? 'unknown';
}

function serverArguments(setup: Setup): string[] {
  return setup.servers.map((port) => `127.0.0.1:${port}`);
}

function sharedPenArguments(setup: Setup): string[] {
  const { connections, port, tracking } = setup;
  const choice = tracking ? [] : ['-r'];
  const sizes = ['-x', `${connections}`, '-q', `${BACKLOG}`];
  return ['-f', ...choice, ...sizes, `127.0.0.1:${port}`, ...serverArguments(setup)];
}

/** Room for tracked clients. */
const CLIENT_ROOM = ['-c', `${CLIENTS}`] as const;

/**
 * Our program with one of its loops, from the build in `distribution` (the folder that holds
 * `bin/pen.js`). Throws where there is no build.
 */
export function ourContender(kind: 'ours' | 'before', loop: LoopName, distribution: string): ContenderDefinition {
  const program = join(distribution, 'bin', 'pen.js');
  if (!existsSync(program)) throw new Error(`${program} does not exist: build it first`);
  return {
    id: kind === 'ours' ? loop : `before-${loop}`,
    label: kind === 'ours' ? `this Pen, ${loop}` : `Pen before, ${loop}`,
    kind,
    version: () => firstLine('git', ['-C', distribution, 'describe', '--always', '--dirty'], /(.+)/),
    command: (setup) => {
      const room = setup.tracking ? CLIENT_ROOM : [];
      return [process.execPath, program, '-O', loop, ...room, ...sharedPenArguments(setup)];
    },
  };
}

/** Finds the build inside `directory`: itself, or its `dist` folder. */
export function findDistribution(directory: string): string {
  const path = resolve(directory);
  return existsSync(join(path, 'bin', 'pen.js')) ? path : join(path, 'dist');
}

const debianPen: ContenderDefinition = {
  id: 'pen',
  label: "Debian's pen",
  kind: 'peer',
  version: () => firstLine('dpkg-query', ['-W', '-f', '${Version}', 'pen'], /(.+)/),
  // Without -m it accepts one connection per wake-up. It has its client table also where -r ignores it; ours has none.
  command: (setup) => ['pen', '-m', '100', ...CLIENT_ROOM, ...sharedPenArguments(setup)],
};

const haproxy: ContenderDefinition = {
  id: 'haproxy',
  label: 'HAProxy',
  kind: 'peer',
  version: () => firstLine('haproxy', ['-v'], /version (\S+)/),
  command: (setup) => {
    const file = join(setup.directory, 'haproxy.cfg');
    // Without strict limits it starts, as the others do, where fewer descriptors are allowed.
    const servers = setup.servers.map((port, i) => `  server s${i} 127.0.0.1:${port}`);
    writeFileSync(
      file,
      `global
  nbthread 1
  no strict-limits
  maxconn ${setup.connections}
defaults
  mode tcp
  maxconn ${setup.connections}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${setup.port} backlog ${BACKLOG}
  balance roundrobin
${servers.join('\n')}
`,
    );
    return ['haproxy', '-db', '-q', '-f', file];
  },
};

/** The line that loads the stream module; empty where nginx has it built in. */
function streamModule(): string {
  const { stderr } = spawnSync('nginx', ['-V'], { encoding: 'utf8' });
  const folder = /--modules-path=(\S+)/.exec(stderr)?.[1] ?? '/usr/lib/nginx/modules';
  const file = join(folder, 'ngx_stream_module.so');
  return existsSync(file) ? `load_module ${file};` : '';
}

const nginx: ContenderDefinition = {
  id: 'nginx',
  label: 'nginx stream',
  kind: 'peer',
  version: () => firstLine('nginx', ['-v'], /nginx\/(\S+)/),
  command: (setup) => {
    const file = join(setup.directory, 'nginx.conf');
    const servers = setup.servers.map((port) => `    server 127.0.0.1:${port};`);
    writeFileSync(
      file,
      `${streamModule()}
daemon off;
worker_processes 1;
pid ${setup.directory}/nginx.pid;
error_log stderr crit;
events { worker_connections ${2 * setup.connections + 100}; }
stream {
  access_log off;
  upstream servers {
${servers.join('\n')}
  }
  server {
    listen 127.0.0.1:${setup.port} backlog=${BACKLOG};
    proxy_pass servers;
    proxy_connect_timeout 5s;
    proxy_timeout 1h;
  }
}
`,
    );
    return ['nginx', '-e', 'stderr', '-c', file];
  },
};

const peers: Readonly<Record<Peer, ContenderDefinition>> = { pen: debianPen, haproxy, nginx };

/** The definition of a peer, or undefined where its program is not installed. */
export function peerContender(peer: Peer): ContenderDefinition | undefined {
  return isInstalled(peer) ? peers[peer] : undefined;
}

/** The load straight onto the first origin server: what the generator and the origin cost. */
export function directContender(port: number): RunningContender {
  return {
    id: 'direct',
    label: 'direct',
    kind: 'direct',
    port,
    pid: undefined,
    startMs: 0,
    stop: () => Promise.resolve(),
  };
}

/**
 * Starts a contender and waits for its first answer. Rejects, with its own words, where it ends or
 * does not serve in time.
 */
export async function startContender(
  definition: ContenderDefinition,
  task: Task,
  prefix: readonly string[],
): Promise<RunningContender> {
  const [port = 0] = await freePorts(1);
  const directory = temporaryDirectory();
  const command = definition.command({ ...task, port, directory });
  const startedMs = performance.now();
  const service: Service = startService([...prefix, ...command]);
  try {
    await waitUntilServing(port, () => service.exitCode === null, START_SECONDS_MAX);
  } catch (cause) {
    await stopService(service);
    const { stdout, stderr } = service.output();
    throw new Error(`${definition.label} does not serve: ${stdout}${stderr}`, { cause });
  }
  const startMs = performance.now() - startedMs;
  const { id, label, kind } = definition;
  return { id, label, kind, port, pid: service.pid, startMs, stop: () => stopService(service) };
}
