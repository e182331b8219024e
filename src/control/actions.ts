/**
 * What commands make the running balancer do, beyond having another configuration.
 *
 * @owner main thread.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Action } from '../config/command.ts';
import { UNNAMED } from '../config/farms.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { WORKERS_MAX } from '../table/limits.ts';
import { requestClose, shun } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import type { Controlled, Prepared } from './controller.ts';
import { rowsInForce } from './publisher.ts';

/** How long a request waits until the worker has taken the one before: as long as a turn. */
const WAIT_MS = 2;
const TRIES = 1500;

/** A balancer, as far as commands change it. */
interface Changeable {
  readonly tables: Tables;
  readonly configuration: Configuration;
  apply(configuration: Configuration): Promise<void>;
  prepare(configuration: Configuration): Promise<Prepared>;
  /** Makes the worker look into its tables. */
  wake(worker: number): void;
}

export interface ActionOptions {
  /** Monotonic time, ms. */
  readonly nowMs: () => number;
  /** Begins to end the process; returns at once, so that the answer is still delivered. */
  readonly exit: () => void;
  /** Writes the status page to its file. @errors none: they are told. */
  readonly writeStatistics: () => Promise<void>;
}

export function controlledBalancer(balancer: Changeable, { nowMs, exit, writeStatistics }: ActionOptions): Controlled {
  const act = async (action: Action): Promise<void> => {
    switch (action.kind) {
      case 'blacklist': {
        const untilDs = action.seconds === 0 ? 0 : Math.floor(nowMs() / 100) + action.seconds * 10;
        const row = rowsInForce(balancer.tables).farms.get(action.farm ?? UNNAMED)?.servers[action.server];
        if (row !== undefined) shun(balancer.tables, row, untilDs);
        return;
      }
      case 'close':
        await askToClose(balancer, action.connection);
        return;
      case 'statistics':
        return writeStatistics();
      case 'exit':
        exit();
    }
  };
  return {
    get configuration() {
      return balancer.configuration;
    },
    apply: async (configuration) => balancer.apply(configuration),
    prepare: async (configuration) => balancer.prepare(configuration),
    act,
  };
}

async function askToClose(balancer: Changeable, connection: number): Promise<void> {
  const worker = ownerOf(balancer.tables, connection);
  if (worker < 0) return;
  for (let tries = 0; !requestClose(balancer.tables, worker, connection); tries++) {
    if (tries === TRIES) throw new ConfigError('close', 'the worker of the connection is too busy');
    balancer.wake(worker);
    await delay(WAIT_MS);
  }
  balancer.wake(worker);
}

/** The worker that owns a slot; -1 none. */
function ownerOf({ workers }: Tables, slot: number): number {
  for (let worker = 0; worker < WORKERS_MAX; worker++) {
    if (slot >= (workers.slotFirst[worker] ?? 0) && slot < (workers.slotEnd[worker] ?? 0)) return worker;
  }
  return -1;
}
