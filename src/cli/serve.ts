/**
 * From a started balancer to the end of the process: control socket, pid file, signals, stop.
 *
 * @owner main thread.
 */
import type { Action, View } from '../config/command.ts';
import type { Configuration } from '../config/model.ts';
import { controlledBalancer } from '../control/actions.ts';
import type { Balancer } from '../control/balancer.ts';
import { tableFacts } from '../control/facts.ts';
import { fileErrands } from '../control/file-errands.ts';
import { Reloader } from '../control/reload.ts';
import type { Logs } from '../control/logs.ts';
import { servicePort } from '../control/resolver.ts';
import { StatisticsFile, statisticsLines } from '../control/statistics.ts';
import { nowMs } from '../linux/clock.ts';
import type { Host } from '../loop/host.ts';
import type { Again } from './again.ts';
import type { Messenger } from './background.ts';
import { abortIfWanted } from './core-dump.ts';
import { controllerOf, type ControlPort } from './control-port.ts';
import { say, sayAll, sayTo, wallTime } from './messages.ts';
import { writePidFile } from './pid-file.ts';
import type { Signals } from './signals.ts';

/** What has been started, and what ends it. */
export interface Started {
  readonly host: Host;
  readonly version: string;
  readonly balancer: Balancer;
  /** What a person shall know: what this host cannot do, what rights we still have. */
  readonly warnings: readonly string[];
  readonly control: ControlPort | undefined;
  /** What commands of the command line want done. */
  readonly actions: readonly Action[];
  /** How the file of commands is read again. */
  readonly files: Again;
  readonly signals: Signals;
  /** In the background: who waits until we serve. */
  readonly messenger: Messenger | undefined;
  /** Whose eyes we see files with, for errors. */
  readonly view: string;
  /** Who named the pid file, for errors. */
  readonly pidFileFrom: string;
  /** The system's log, in the background, where there is one. */
  readonly systemLog: ReturnType<Host['systemLog']>;
  readonly logs: Logs;
}

/**
 * Serves until a signal, the command `exit` or a failure ends it.
 *
 * @returns the exit status.
 * @errors ConfigError for what the person can mend; then the balancer still runs.
 */
export async function serve(started: Started): Promise<number> {
  const { host, warnings, balancer, control, actions, files, signals, messenger } = started;
  const { systemLog, logs, view, pidFileFrom } = started;
  const now = nowOf(started);
  const { facts } = now();
  const file = new StatisticsFile(now, say, view);
  const writeStatistics = async (): Promise<void> => file.write();
  const controlled = controlledBalancer(balancer, { nowMs, exit: signals.requestStop, writeStatistics });
  const reloader = new Reloader({ ...files, facts });
  const errands = fileErrands({ ...files, context: { facts, servicePort }, reloader, say, view });
  const controller = controllerOf({ controlled, facts, errands, say });
  control?.serve(controller, balancer, say);
  for (const action of actions) await controlled.act(action);
  signals.tellStatistics = statisticsTeller(now, file);
  const { pidFile } = balancer.configuration.settings;
  const pid = pidFile === '' ? undefined : writePidFile(pidFile, process.pid, { host, view, where: pidFileFrom });
  const { kind, reason } = balancer.supervisor.ready;
  for (const warning of warnings) say(warning);
  if (messenger) leaveTerminal(messenger, systemLog);
  say(`listening on ${balancer.address}, loop ${kind}${reason === '' ? '' : ` (${reason})`}`);
  signals.onHangUp(() => {
    logs.reopen();
    void reloader.onHangUp(controller, say);
  });
  const code = await untilStopped(balancer, signals);
  pid?.remove();
  return code;
}

/** What is in force, and what is known of the running balancer. */
function nowOf({ balancer, version }: Started): () => View {
  const configuration = (): Configuration => balancer.fitted;
  const { tables, supervisor } = balancer;
  const { pid } = process;
  const facts = tableFacts({ tables, pid, version, loop: supervisor.ready.kind, nowMs, wallTime, configuration });
  return () => ({ state: balancer.configuration, facts });
}

/** Writes the page where there is a file for it; else says how things stand. Whoever asks again before all is said gets what is being said. */
function statisticsTeller(view: () => View, file: StatisticsFile): () => void {
  let isTelling = false;
  return () => {
    const { state, facts } = view();
    const now = facts.process();
    if (state.settings.webStats !== '') void file.write();
    if (state.settings.webStats !== '' || !now || isTelling) return;
    isTelling = true;
    void sayAll(statisticsLines({ state, facts }, now)).finally(() => (isTelling = false));
  };
}

/** From here on nobody sees what is said on a terminal: it goes to the system's log. */
function leaveTerminal(messenger: Messenger, systemLog: Started['systemLog']): void {
  sayTo((text) => void systemLog?.(text));
  messenger.ready();
}

async function untilStopped(balancer: Balancer, { stopped }: Signals): Promise<number> {
  const failure = await Promise.race([balancer.supervisor.failed, stopped]);
  if (failure) {
    say(`this cannot go on, all connections are ended: ${failure.message}`);
    balancer.abortLeftBehind();
  }
  const isStopped = await balancer.stop();
  if (!isStopped) {
    say('a worker did not stop in time and is left behind');
    abortIfWanted(balancer.configuration);
    balancer.leaveWorkerBehind();
  }
  return failure ? 1 : 0;
}
