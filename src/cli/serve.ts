/**
 * From a started balancer to the end of the process: control socket, pid file, signals, stop.
 *
 * @owner main thread.
 */
import type { Action } from '../config/command.ts';
import { controlledBalancer } from '../control/actions.ts';
import type { Balancer } from '../control/balancer.ts';
import { tableFacts } from '../control/facts.ts';
import { watchPauses } from '../control/pauses.ts';
import { statisticsLines } from '../control/statistics.ts';
import { nowUs } from '../linux/clock.ts';
import type { Host } from '../loop/host.ts';
import type { Messenger } from './background.ts';
import { controllerOf, type ControlPort } from './control-port.ts';
import { say, sayAll, sayTo } from './messages.ts';
import { writePidFile } from './pid-file.ts';
import type { Signals } from './signals.ts';

/** What has been started, and what ends it. */
export interface Started {
  readonly host: Host;
  readonly balancer: Balancer;
  /** What this host cannot do; empty: nothing to tell. */
  readonly notice: string;
  readonly control: ControlPort | undefined;
  /** What commands of the command line want done. */
  readonly actions: readonly Action[];
  readonly signals: Signals;
  /** In the background: who waits until we serve. */
  readonly messenger: Messenger | undefined;
}

/**
 * Serves until a signal, the command `exit` or a failure ends it.
 *
 * @returns the exit status.
 * @errors ConfigError for what the person can mend; then the balancer still runs.
 */
export async function serve(started: Started): Promise<number> {
  const { host, notice, balancer, control, actions, signals, messenger } = started;
  const nowMs = (): number => nowUs() / 1000;
  const controller = controllerOf(balancer, nowMs, signals.requestStop, say);
  control?.serve(controller, balancer, say);
  const controlled = controlledBalancer(balancer, { nowMs, exit: signals.requestStop });
  for (const action of actions) await controlled.act(action);
  signals.tellStatistics = statisticsTeller(balancer, nowMs);
  const { pidFile } = balancer.configuration.settings;
  const pid = pidFile === '' ? undefined : writePidFile(pidFile, process.pid, host);
  const { kind, reason } = balancer.supervisor.ready;
  if (notice !== '') say(notice);
  if (messenger) leaveTerminal(host, messenger);
  say(`listening on ${balancer.address}, loop ${kind}${reason === '' ? '' : ` (${reason})`}`);
  const code = await untilStopped(balancer, signals);
  pid?.remove();
  return code;
}

/** Says how things stand. Whoever asks again before all is said gets what is being said. */
function statisticsTeller(balancer: Balancer, nowMs: () => number): () => void {
  const connMax = (): number => balancer.configuration.settings.connMax;
  const facts = tableFacts({ tables: balancer.tables, pid: process.pid, nowMs, connMax });
  let isTelling = false;
  return () => {
    if (isTelling) return;
    isTelling = true;
    void sayAll(statisticsLines(balancer.configuration, facts)).finally(() => (isTelling = false));
  };
}

/** From here on nobody sees what is said on a terminal: it goes to the system's log. */
function leaveTerminal(host: Host, messenger: Messenger): void {
  const log = host.systemLog('pen');
  sayTo((text) => void log?.(text));
  messenger.ready();
}

async function untilStopped(balancer: Balancer, { stopped }: Signals): Promise<number> {
  const pauses = watchPauses(balancer, say);
  const failure = await Promise.race([balancer.supervisor.failed, stopped]);
  clearInterval(pauses);
  if (failure) {
    say(`this cannot go on, all connections are ended: ${failure.message}`);
    balancer.abortLeftBehind();
  }
  const isStopped = await balancer.stop();
  if (!isStopped) {
    say('a worker did not stop in time and is left behind');
    balancer.leaveWorkerBehind();
  }
  return failure ? 1 : 0;
}
