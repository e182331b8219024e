/**
 * Looking up names that commands mention, so that a name server that hangs costs the one who asked and nobody else:
 * each look-up has a deadline, and few run at once, because each holds one of the few threads that Node has for such
 * work.
 *
 * @owner main thread.
 */
import { ConfigError } from '../config/model.ts';
import type { Endpoint } from '../base/endpoint.ts';

const DEADLINE_MS = 4000;
const RUNNING_MAX = 2;

/** Finds the address of a name, port 0. @errors ConfigError. */
export type LookUp = (host: string, where: string) => Promise<Endpoint>;

export class Lookups {
  private readonly lookUp: LookUp;
  /** By name: who asks for a name that is being looked up waits for the same answer. */
  private readonly running = new Map<string, Promise<Endpoint>>();

  constructor(lookUp: LookUp) {
    this.lookUp = lookUp;
  }

  /** @errors ConfigError for a name that is not known, or not in time. */
  async find(hosts: readonly string[], where: string): Promise<Map<string, Endpoint>> {
    const found = new Map<string, Endpoint>();
    for (const host of hosts) found.set(host, await this.findOne(host, where));
    return found;
  }

  /** @errors ConfigError. */
  async findOne(host: string, where: string): Promise<Endpoint> {
    let looking = this.running.get(host);
    if (!looking) {
      if (this.running.size >= RUNNING_MAX) throw new ConfigError(where, 'other names are being looked up; try again');
      looking = this.lookUp(host, where).finally(() => this.running.delete(host));
      this.running.set(host, looking);
    }
    return withDeadline(looking, new ConfigError(where, `host '${host}' could not be looked up in time`));
  }
}

async function withDeadline<T>(promise: Promise<T>, late: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
