/**
 * The program `pen`: reads the command line, starts the balancer here or in the background.
 *
 * @owner main thread.
 */
import { join } from 'node:path';
import { adviceOn } from '../config/advice.ts';
import { idleFacts } from '../config/command.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { placed, settingPart, type Parts } from '../config/parts.ts';
import { checkLists } from '../control/access-lists.ts';
import { Balancer } from '../control/balancer.ts';
import { countriesFor } from '../control/countries.ts';
import { openConfigFile } from '../control/config-file.ts';
import { isLookingUp, keepForJail, resolveAddress, servicePort } from '../control/resolver.ts';
import { NO_ROWS, planRows } from '../control/farm-rows.ts';
import { checkLogs, Logs } from '../control/logs.ts';
import { keepProgram } from '../control/worker-thread.ts';
import { readCountryFile } from '../geo/country-file.ts';
import { nowMs } from '../linux/clock.ts';
import { farmNames, farmOf } from '../config/farms.ts';
import { wantedListeners } from '../control/listeners.ts';
import type { Host } from '../loop/host.ts';
import { refusalFor, warningFor } from '../surface/control-rules.ts';
import { again, remembering } from './again.ts';
import { readCommandLine, type CommandLine } from './arguments.ts';
import { isInBackground, openMessenger, startInBackground, type Messenger } from './background.ts';
import { checkComplete, configure, type Outside } from './configure.ts';
import { abortOnError } from './core-dump.ts';
import { Eyes } from './eyes.ts';
import { chooseHost } from './choose-host.ts';
import { listenForControl, type ControlPort } from './control-port.ts';
import { messageOf, print, say, sayDump, sayTo, sayWithoutWaiting, stamped, wallMs } from './messages.ts';
import { USAGE } from './options.ts';
import { checkPlaces, sayerOf, type PlaceOptions } from './places.ts';
import { nameProcess } from './process-name.ts';
import { checkHost, giveUp, readRights, viewOf } from './rights.ts';
import { serve } from './serve.ts';
import { explained } from './shortage.ts';
import { Signals, type Signal } from './signals.ts';
import { readVersion } from './version.ts';

/** What nobody has said, neither the file nor the command line beside it. */
const MISSING_LISTENER =
  'missing; say it in the file, as by listen 80, or behind the name of the file, as in pen --check pen.cfg 80';

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
    const text = `pen: ${messageOf(explained(error))}\n`.replace(/\n(?!\s|$)/g, '\npen: ');
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
  if (request.kind === 'check') return check(line);
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
  const rights = readRights(line);
  const eyes = new Eyes(say);
  const world = outside(eyes);
  const configuring = configure(line, world);
  // Looking up names may take long, and whoever has enough of it is obeyed.
  const configured = await Promise.race([configuring, signals.stopped]);
  if (configured === undefined) return 0;
  const { configuration, replies, actions, fileActions, said, places, notices } = configured;
  checkComplete(line, configuration);
  let balancer: Balancer | undefined;
  abortOnError(() => balancer?.configuration ?? configuration);
  for (const text of [...notices, ...adviceOn(configuration)]) say(text);
  // Answers to the person who started us.
  if (messenger) messenger.out(replies);
  else await print(replies);
  const { host, notice } = chooseHost(configuration.settings.loop);
  checkHost(rights, host);
  const warnings = notice === '' ? [] : [notice];
  sayWithoutWaiting(host);
  // By now: its path may be out of reach later.
  const systemLog = messenger && host.systemLog('pen');
  const version = readVersion();
  const control = await openControl(host, configuration, line, places);
  try {
    const workers = keepProgram(workerScript, wholeWorkerScript);
    const leave = async (): Promise<void> => {
      if (rights.jail !== undefined) await keepForJail(rights.jail);
      warnings.push(...giveUp(rights, host));
      // With the rights that are left, and before anybody is served.
      warnings.push(...checkPlaces(configuration, line, places, { host, view: viewOf(rights) }));
      eyes.change(viewOf(rights));
    };
    // In the background nobody would see dumps, and they are too much for the system's log.
    const dump = messenger ? undefined : sayDump;
    const logs = new Logs({ host, workers: configuration.settings.workers, say, nowMs, wallMs });
    balancer = await Balancer.start(host, configuration, workers, {
      say,
      beforeServing: leave,
      readCountries: eyes.readCountryFile,
      writeDump: dump,
      logs,
    });
    return await serve({
      host,
      version,
      warnings,
      balancer,
      control,
      actions: [...actions, ...fileActions],
      files: again(line, said, world),
      signals,
      messenger,
      systemLog,
      logs,
      view: viewOf(rights),
      pidFileFrom: sayerOf(settingPart('pidFile'), 'pid_file', line, places),
    });
  } catch (error) {
    // The workers would keep the process alive for ever.
    await balancer?.stop();
    throw placed(error, places);
  } finally {
    await control?.close();
  }
}

/** Names and files as this machine has them. */
function outside({ openConfigFile: open }: Pick<Eyes, 'openConfigFile'>): Outside {
  return {
    facts: idleFacts(process.pid),
    servicePort,
    resolve: remembering(resolveAddress),
    files: {
      open,
      lookUp: async (host, where) => resolveAddress({ host, port: '0' }, where, 0),
    },
  };
}

/** Tells what keeps a file from a start, or that nothing does. @errors ConfigError: all of its mistakes. */
async function check(line: CommandLine): Promise<number> {
  const { configuration, notices, places } = await configure(line, outside({ openConfigFile }));
  checkComplete(line, configuration);
  if (farmNames(configuration).every((farm) => farmOf(configuration, farm).listen.length === 0)) {
    throw new ConfigError('listen address', MISSING_LISTENER);
  }
  try {
    wantedListeners(configuration);
    checkLists(configuration, countriesFor(configuration, readCountryFile));
    checkLogs(configuration);
    planRows(NO_ROWS, configuration);
  } catch (error) {
    throw placed(error, places);
  }
  const doubts = checkPlaces(configuration, line, places, asWriter(line));
  const advice = [...notices, ...adviceOn(configuration), ...doubts].map((text) => `${text}\n`);
  return answer(`${advice.join('')}${line.file?.path ?? ''} is right\n`);
}

/**
 * Becomes who will write files, if that is possible: nothing is left to be done but to answer.
 *
 * @errors ConfigError for a user or jail that a start would not have either.
 */
function asWriter(line: CommandLine): PlaceOptions {
  const { jail } = line;
  const inside = (path: string): string => (jail === undefined ? path : join(jail, path));
  if (process.geteuid?.() !== 0) return { inside, isWriter: line.user === undefined };
  const rights = { ...readRights(line), jail: undefined };
  giveUp(rights, {});
  return { inside, view: viewOf(rights) };
}

/** Where commands come to, if they are to come. */
async function openControl(
  host: Host,
  configuration: Configuration,
  line: CommandLine,
  places: Parts,
): Promise<ControlPort | undefined> {
  const { control } = configuration;
  const refusal = control && refusalFor(process.getuid?.(), line.user);
  const warning = warningFor(configuration);
  if (refusal !== undefined) say(refusal);
  else if (warning !== undefined) say(warning);
  const where = sayerOf({ of: 'control' }, 'control', line, places);
  return refusal === undefined ? listenForControl(host, configuration, where) : undefined;
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
