/**
 * The program `pen`: reads the command line, starts the balancer here or in the background.
 *
 * @owner main thread.
 */
import { readFileSync } from 'node:fs';
import { adviceOn } from '../config/advice.ts';
import { idleFacts } from '../config/command.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { Balancer } from '../control/balancer.ts';
import { isLookingUp, resolveAddress, servicePort } from '../control/resolver.ts';
import { keepProgram } from '../control/worker-thread.ts';
import type { Host } from '../loop/host.ts';
import { refusalFor, warningFor } from '../surface/control-rules.ts';
import { readCommandLine, type CommandLine } from './arguments.ts';
import { isInBackground, openMessenger, startInBackground, type Messenger } from './background.ts';
import { configure } from './configure.ts';
import { chooseHost } from './choose-host.ts';
import { listenForControl, type ControlPort } from './control-port.ts';
import { messageOf, print, say, sayTo, sayWithoutWaiting, stamped } from './messages.ts';
import { USAGE } from './options.ts';
import { nameProcess } from './process-name.ts';
import { serve } from './serve.ts';
import { explained } from './shortage.ts';
import { Signals, type Signal } from './signals.ts';
import { acceptUser } from './user.ts';

/** What the composition root has: where the programs lie, and the signals. */
export interface Root {
  /** The program itself, to be started again in the background. */
  readonly script: string;
  /** The composition root of a worker, in parts, and in one file that is kept for those that replace others. */
  readonly workerScript: URL;
  readonly wholeWorkerScript: URL;
  /** Gives all signals to `take`, first those that came before. Called once. */
  readonly onSignal: (take: (signal: Signal) => void) => void;
}

/** Runs to the end and leaves the status in `process.exitCode`. @errors none: they are told. */
export async function runProgram(args: readonly string[], root: Root): Promise<void> {
  const messenger = isInBackground() ? openMessenger() : undefined;
  if (messenger) sayTo((text) => messenger.err(stamped(text)));
  const signals = new Signals();
  root.onSignal(signals.obey);
  try {
    process.exitCode = await main(args, root, signals, messenger);
  } catch (error) {
    const text = `pen: ${messageOf(explained(error))}\n`;
    if (messenger) messenger.err(text);
    else process.stderr.write(text);
    process.exitCode = 1;
  }
  // A name server that hangs must not keep us from ending.
  if (isLookingUp()) chooseHost('auto').host.exitNow(process.exitCode);
}

async function main(
  args: readonly string[],
  root: Root,
  signals: Signals,
  messenger: Messenger | undefined,
): Promise<number> {
  const request = readCommandLine(args);
  if (request.kind === 'help') return answer(USAGE);
  if (request.kind === 'version') return answer(`pen ${readVersion()}\n`);
  const { line } = request;
  checkFolder();
  if (!line.isForeground && !messenger) return startInBackground(root.script, args);
  return run(line, root, signals, messenger);
}

async function run(
  line: CommandLine,
  { workerScript, wholeWorkerScript }: Root,
  signals: Signals,
  messenger: Messenger | undefined,
): Promise<number> {
  nameProcess('pen');
  for (const notice of line.notices) say(notice);
  if (line.user !== undefined) acceptUser(line.user, '-u');
  const configuring = configure(line, { facts: idleFacts(process.pid), servicePort, resolve: resolveAddress });
  // Looking up names may take long, and whoever has enough of it is obeyed.
  const configured = await Promise.race([configuring, signals.stopped]);
  if (configured === undefined) return 0;
  const { configuration, replies, actions } = configured;
  for (const advice of adviceOn(configuration)) say(advice);
  // Answers to the person who started us.
  if (messenger) messenger.out(replies);
  else await print(replies);
  const { host, notice } = chooseHost(configuration.settings.loop);
  sayWithoutWaiting(host);
  const control = await openControl(host, configuration, line.user);
  let balancer: Balancer | undefined;
  try {
    balancer = await Balancer.start(host, configuration, keepProgram(workerScript, wholeWorkerScript), say);
    return await serve({ host, notice, balancer, control, actions, signals, messenger });
  } catch (error) {
    // The workers would keep the process alive for ever.
    await balancer?.stop();
    throw error;
  } finally {
    await control?.close();
  }
}

/** Where commands come to, if they are to come. */
async function openControl(
  host: Host,
  configuration: Configuration,
  user: string | undefined,
): Promise<ControlPort | undefined> {
  const { control } = configuration;
  const refusal = control && refusalFor(process.getuid?.(), user);
  const warning = warningFor(configuration);
  if (refusal !== undefined) say(refusal);
  else if (warning !== undefined) say(warning);
  return refusal === undefined ? listenForControl(host, configuration) : undefined;
}

/** What is wanted instead of a balancer. */
async function answer(text: string): Promise<number> {
  const error = await print(text);
  if (error) throw new ConfigError('stdout', `cannot be written to (${error.message})`);
  return 0;
}

/** Threads cannot be started in a folder that was removed, and paths mean nothing there. */
function checkFolder(): void {
  try {
    process.cwd();
  } catch {
    throw new ConfigError('working directory', 'it has been removed; change to another one, as by cd /');
  }
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
