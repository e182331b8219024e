#!/usr/bin/env node
/** Composition root of `pen`: reads the command line, starts the balancer here or in the background, obeys signals. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readCommandLine, type CommandLine } from '../cli/arguments.ts';
import { isInBackground, openMessenger, startInBackground, type Messenger } from '../cli/background.ts';
import { configure } from '../cli/configure.ts';
import { controllerOf, listenForControl, openControlPort } from '../cli/control-port.ts';
import { messageOf, say, sayTo, sayWithoutWaiting, stamped } from '../cli/messages.ts';
import { USAGE } from '../cli/options.ts';
import { writePidFile } from '../cli/pid-file.ts';
import { acceptUser } from '../cli/user.ts';
import type { Fd } from '../base/brand.ts';
import { idleFacts, type Action } from '../config/command.ts';
import type { Configuration } from '../config/model.ts';
import { controlledBalancer } from '../control/actions.ts';
import { Balancer } from '../control/balancer.ts';
import { tableFacts } from '../control/facts.ts';
import { watchPauses } from '../control/pauses.ts';
import { resolveAddress, servicePort } from '../control/resolver.ts';
import { statisticsLines } from '../control/statistics.ts';
import { nowUs } from '../linux/clock.ts';
import { openHost } from '../linux/open-host.ts';
import type { Host } from '../loop/host.ts';
import { refusalFor, warningFor } from '../surface/control-rules.ts';

const SCRIPT = fileURLToPath(import.meta.url);
const WORKER = new URL('./worker.js', import.meta.url);

/** First of all: a signal that comes while we start must neither be lost nor open Node's inspector (USR1). */
let stopRequested: (() => void) | undefined;
let isStopWanted = false;
let tellStatistics = (): void => say('no statistics yet: still starting');
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, requestStop);
process.on('SIGUSR1', () => tellStatistics());
process.on('SIGUSR2', () => process.abort());
process.on('SIGHUP', () => say('SIGHUP has nothing to open again: there is no log and no configuration file'));

const messenger: Messenger | undefined = isInBackground() ? openMessenger() : undefined;
if (messenger) sayTo((text) => messenger.err(stamped(text)));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const text = `pen: ${messageOf(error)}\n`;
  if (messenger) messenger.err(text);
  else process.stderr.write(text);
  process.exitCode = 1;
}

function requestStop(): void {
  isStopWanted = true;
  stopRequested?.();
}

async function main(args: readonly string[]): Promise<number> {
  const request = readCommandLine(args);
  if (request.kind === 'help') return print(USAGE);
  if (request.kind === 'version') return print(`pen ${readVersion()}\n`);
  const { line } = request;
  return line.isForeground || messenger ? run(line) : startInBackground(SCRIPT, args);
}

async function run(line: CommandLine): Promise<number> {
  for (const notice of line.notices) say(notice);
  if (line.user !== undefined) acceptUser(line.user, '-u');
  const { configuration, replies, actions } = await configure(line, {
    facts: idleFacts(process.pid),
    servicePort,
    resolve: resolveAddress,
  });
  if (replies !== '') tell(replies);
  const host = openHost();
  sayWithoutWaiting(host);
  const controlFd = openControl(host, configuration, line.user);
  const balancer = await Balancer.start(host, configuration, WORKER);
  try {
    return await serve({ host, balancer, controlFd, actions });
  } catch (error) {
    // The worker would keep the process alive for ever.
    await balancer.stop();
    throw error;
  }
}

interface Started {
  readonly host: Host;
  readonly balancer: Balancer;
  readonly controlFd: Fd | undefined;
  /** What commands of the command line want done. */
  readonly actions: readonly Action[];
}

async function serve({ host, balancer, controlFd, actions }: Started): Promise<number> {
  const nowMs = (): number => nowUs() / 1000;
  const controller = controllerOf(balancer, nowMs, requestStop, say);
  const closeControl =
    controlFd === undefined ? undefined : await openControlPort({ host, fd: controlFd, controller, balancer, say });
  const controlled = controlledBalancer(balancer, { nowMs, exit: requestStop });
  for (const action of actions) await controlled.act(action);
  tellStatistics = () => {
    const connMax = (): number => balancer.configuration.settings.connMax;
    const facts = tableFacts({ tables: balancer.tables, pid: process.pid, nowMs, connMax });
    for (const text of statisticsLines(balancer.configuration, facts)) say(text);
  };
  const { pidFile } = balancer.configuration.settings;
  const pid = pidFile === '' ? undefined : writePidFile(pidFile, process.pid);
  const { kind, reason } = balancer.supervisor.ready;
  if (messenger) leaveTerminal(host, messenger);
  say(`listening on ${balancer.address}, loop ${kind}${reason === '' ? '' : ` (${reason})`}`);
  const code = await untilStopped(balancer);
  await closeControl?.();
  pid?.remove();
  return code;
}

/** Answers to the person who started us. */
function tell(text: string): void {
  if (messenger) messenger.out(text);
  else process.stdout.write(text);
}

/** From here on nobody sees what is said on a terminal: it goes to the system's log. */
function leaveTerminal(host: Host, messenger: Messenger): void {
  const log = host.systemLog('pen');
  sayTo((text) => void log?.(text));
  messenger.ready();
}

/** Serves until a signal, the command `exit` or a failure ends it. @returns the exit status. */
async function untilStopped(balancer: Balancer): Promise<number> {
  const pauses = watchPauses(balancer, say);
  const failure = await Promise.race([balancer.supervisor.ended, stopSignal()]);
  clearInterval(pauses);
  if (failure) {
    say(`the worker failed, its connections are ended: ${failure.stack ?? failure.message}`);
    balancer.abortConnections();
  }
  const isStopped = await balancer.stop();
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
