#!/usr/bin/env node
/** Composition root of `pen`: reads the command line, starts the balancer, obeys signals. */
import { readFileSync } from 'node:fs';
import { readCommandLine, USAGE, type CommandLine } from '../cli/arguments.ts';
import { controllerOf, listenForControl, openControlPort } from '../cli/control-port.ts';
import { messageOf, say, sayWithoutWaiting } from '../cli/messages.ts';
import { acceptUser } from '../cli/user.ts';
import { serverAt, type Configuration, type ServerConfig } from '../config/model.ts';
import { parseListen, type WrittenServer } from '../config/address.ts';
import { Balancer } from '../control/balancer.ts';
import { watchPauses } from '../control/pauses.ts';
import { resolveAddress } from '../control/resolver.ts';
import type { Fd } from '../base/brand.ts';
import { nowUs } from '../linux/clock.ts';
import { openHost } from '../linux/open-host.ts';
import type { Host } from '../loop/host.ts';
import { refusalFor, warningFor } from '../surface/control-rules.ts';

const WORKER = new URL('./worker.js', import.meta.url);

/** First of all: a signal that comes while we start must neither be lost nor open Node's inspector (USR1). */
let stopRequested: (() => void) | undefined;
let isStopWanted = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, requestStop);
}
function requestStop(): void {
  isStopWanted = true;
  stopRequested?.();
}
for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const) {
  process.on(signal, () => say(`${signal} has no meaning in this version yet`));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`pen: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<number> {
  const request = readCommandLine(args);
  if (request.kind === 'help') return print(USAGE);
  if (request.kind === 'version') return print(`pen ${readVersion()}\n`);
  return run(request.line);
}

async function run(line: CommandLine): Promise<number> {
  if (line.user !== undefined) acceptUser(line.user, '-u');
  const host = openHost();
  const configuration = await resolve(line);
  sayWithoutWaiting(host);
  const controlFd = openControl(host, configuration, line.user);
  const balancer = await Balancer.start(host, configuration, WORKER);
  const { kind, reason } = balancer.supervisor.ready;
  const controller = controllerOf(balancer, () => nowUs() / 1000, requestStop, say);
  const closeControl =
    controlFd === undefined ? undefined : await openControlPort({ host, fd: controlFd, controller, balancer, say });
  say(`listening on ${balancer.address}, loop ${kind}${reason === '' ? '' : ` (${reason})`}`);
  const pauses = watchPauses(balancer, say);
  const failure = await Promise.race([balancer.supervisor.ended, stopSignal()]);
  clearInterval(pauses);
  if (failure) {
    say(`the worker failed, its connections are ended: ${failure.stack ?? failure.message}`);
    balancer.abortConnections();
  }
  const isStopped = await balancer.stop();
  await closeControl?.();
  if (!isStopped) {
    say('the worker did not stop in time and is left behind');
    balancer.leaveWorkerBehind();
  }
  return failure ? 1 : 0;
}

/** The listening socket for commands, if there is to be one. */
function openControl(host: Host, configuration: Configuration, user: string | undefined): Fd | undefined {
  const { control } = configuration;
  const refusal = control && refusalFor(process.getuid?.(), user);
  const warning = warningFor(configuration);
  if (refusal !== undefined) say(refusal);
  else if (warning !== undefined) say(warning);
  return refusal === undefined ? listenForControl(host, configuration) : undefined;
}

/** Settles when TERM or INT arrives, or at once when one did while we were starting. */
async function stopSignal(): Promise<undefined> {
  if (!isStopWanted) await new Promise<void>((resolve) => (stopRequested = resolve));
  return undefined;
}

async function resolve(line: CommandLine): Promise<Configuration> {
  const endpoint = await resolveAddress(line.listen, 'listen address', 0);
  const servers: ServerConfig[] = [];
  for (const server of line.servers) servers.push(await resolveServer(server, 'server'));
  const emergency = line.emergency && (await resolveServer(line.emergency, '-e'));
  const text = line.controlText;
  const control =
    text === undefined ? undefined : { text, endpoint: await resolveAddress(parseListen(text, '-C'), '-C', 1) };
  return { ...line.configuration, listen: { text: line.listenText, endpoint }, control, servers, emergency };
}

async function resolveServer(server: WrittenServer, where: string): Promise<ServerConfig> {
  const { address, ...limits } = server;
  return serverAt(await resolveAddress(address, where, 1), limits);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
