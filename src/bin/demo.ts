/**
 * `npm start`: the main job at a glance. Three web servers that say their name, a balancer in front of them, and one
 * line a second about what it does. Kill a server and watch its clients go elsewhere.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../cli/messages.ts';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { DEFAULT_SETTINGS, EMPTY_CONFIGURATION, serverAt, type Configuration } from '../config/model.ts';
import { Balancer } from '../control/balancer.ts';
import { readFigures, type Figures } from '../control/figures.ts';
import { keepProgram } from '../control/worker-thread.ts';
import { nowUs } from '../linux/clock.ts';
import { chooseHost } from '../cli/choose-host.ts';

const WORKER = new URL('./worker.js', import.meta.url);
const WHOLE_WORKER = new URL('./whole-worker.js', import.meta.url);
const SERVER = fileURLToPath(new URL('./demo-server.js', import.meta.url));
const NAMES = ['anna', 'berta', 'clara'];
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
/** A killed server comes back after this, so that its return can be seen too. */
const REVIVE_MS = 20_000;
const BLACKLIST_S = 5;

interface DemoServer {
  readonly name: string;
  port: number;
  child: ChildProcess;
}

let isStopping = false;
let stop = (): void => {
  isStopping = true;
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop());

try {
  await main();
} catch (error) {
  process.stderr.write(`demo: ${messageOf(error)}\n`);
  // At once: servers that were started already end when we do.
  process.exit(1);
}

async function main(): Promise<void> {
  const servers = await Promise.all(NAMES.map(async (name) => startServer(name)));
  const { host, notice } = chooseHost('auto');
  if (notice !== '') process.stdout.write(`${notice}\n`);
  const balancer = await Balancer.start(host, configurationFor(servers), keepProgram(WORKER, WHOLE_WORKER));
  introduce(balancer, servers);
  for (const server of servers) watch(server);
  const ticker = setInterval(tell(balancer, servers), 1000);
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
    if (isStopping) resolve();
  });
  const failure = await Promise.race([stopped, balancer.supervisor.failed]);
  isStopping = true;
  clearInterval(ticker);
  if (failure) {
    process.stderr.write(`demo: ${failure.message}\n`);
    balancer.abortLeftBehind();
    process.exitCode = 1;
  }
  const isStopped = await balancer.stop();
  for (const { child } of servers) child.kill();
  if (!isStopped) balancer.leaveWorkerBehind();
  process.stdout.write('stopped\n');
}

async function startServer(name: string): Promise<DemoServer> {
  const { child, port } = await launch(name, 0);
  return { name, child, port };
}

/** Starts a server process and waits until it listens. Port 0 lets the system choose. */
async function launch(name: string, port: number): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(SERVER, [name, String(port)]);
  const listening = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port));
    child.once('exit', () => reject(new Error(`the server ${name} ended before it listened`)));
  });
  return { child, port: listening };
}

/** Tells when a server dies, and brings it back after a while. */
function watch(server: DemoServer): void {
  server.child.once('exit', () => {
    if (isStopping) return;
    process.stdout.write(`${server.name} is dead; she comes back in ${REVIVE_MS / 1000} s\n`);
    setTimeout(() => void revive(server), REVIVE_MS).unref();
  });
}

async function revive(server: DemoServer): Promise<void> {
  if (isStopping) return;
  try {
    const { child } = await launch(server.name, server.port);
    server.child = child;
    if (isStopping) {
      child.kill();
      return;
    }
    process.stdout.write(`${server.name} is back, pid ${child.pid}\n`);
    watch(server);
  } catch {
    // Somebody else has taken her port meanwhile.
    process.stdout.write(`${server.name} cannot come back yet; she tries again in ${REVIVE_MS / 1000} s\n`);
    setTimeout(() => void revive(server), REVIVE_MS).unref();
  }
}

function configurationFor(servers: readonly DemoServer[]): Configuration {
  return {
    ...EMPTY_CONFIGURATION,
    listen: [{ text: '127.0.0.1:0', endpoint: { kind: KIND_IPV4, ip: LOOPBACK, port: 0 } }],
    servers: servers.map(({ port }) => serverAt({ kind: KIND_IPV4, ip: LOOPBACK, port })),
    settings: { ...DEFAULT_SETTINGS, blacklist: BLACKLIST_S, roundrobin: true },
  };
}

function introduce(balancer: Balancer, servers: readonly DemoServer[]): void {
  const url = `http://${balancer.address}`;
  const lines = servers.map(({ name, port, child }) => `  ${name.padEnd(6)} 127.0.0.1:${port}  pid ${child.pid}`);
  process.stdout.write(`Pen balances at ${url} (loop: ${balancer.supervisor.ready.kind}) over

${lines.join('\n')}

Try:          curl ${url}
Again:        for i in 1 2 3 4 5 6; do curl -s ${url}; done
Kill one:     kill ${servers[1]?.child.pid ?? ''}     then curl again: nobody notices
Under load:   while sleep 0.05; do curl -s ${url} >/dev/null || echo failed; done

Ctrl-C stops. One line a second:
`);
}

/** Returns what prints a line of figures: rates since the line before, and what is true now. */
function tell(balancer: Balancer, servers: readonly DemoServer[]): () => void {
  let before: Figures | undefined;
  return () => {
    const now = readFigures(balancer.tables, nowUs() / 1000);
    const rate = now.accepted - (before?.accepted ?? 0);
    const shares = now.servers.map((server, index) => {
      const served = server.connects - (before?.servers[index]?.connects ?? 0);
      return `${servers[index]?.name ?? ''} ${served}${server.isBlacklisted ? ' (blacklisted)' : ''}`;
    });
    const moved = now.failedOver === 0 ? '' : `, ${now.failedOver} failed over`;
    process.stdout.write(
      `${rate} connections/s: ${shares.join(', ')} | ${now.used} open, ${now.unserved} unserved${moved}\n`,
    );
    before = now;
  };
}
