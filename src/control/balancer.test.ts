import { describe, expect, test, vi } from 'vitest';
import { NO_RANGES } from '../base/ranges.ts';
import { parseAclEntry } from '../config/access-list.ts';
import type { ReadCountries } from './countries.ts';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import { EMPTY_FARM } from '../config/farms.ts';
import {
  ConfigError,
  DEFAULT_SETTINGS,
  EMPTY_CONFIGURATION,
  UNSET_SERVER,
  type Configuration,
} from '../config/model.ts';
import type { Host, ListenOptions, Tuning } from '../loop/host.ts';
import { CLIENTS_MAX, CONNECTIONS_MAX, NODE_CONNECTIONS_MAX } from '../table/limits.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import { clientMemory, openTables } from '../table/tables.ts';
import { Balancer } from './balancer.ts';
import { DESCRIPTOR_RESERVE, fitToMachine } from './machine.ts';
import { BIG_PAGES_CLIENTS } from './big-pages.ts';
import { rowsInForce } from './publisher.ts';
import type { WorkerProgram } from './worker-thread.ts';

const LISTEN = { text: '0', endpoint: { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 0 } } as const;
const NO_WORKER = programAt(new URL('file:///nowhere/worker.js'));

function programAt(file: URL): WorkerProgram {
  return { file, again: () => file };
}

// Each balancer that is started waits for the end of the process.
process.setMaxListeners(20);

const COUNTRY = EMPTY_CONFIGURATION.acls.with(3, [parseAclEntry(['deny', 'country', 'SE'], '')]);

class Reached extends Error {}

/** A host whose descriptor limit cannot be raised beyond `limit`, and on which nothing can be opened. */
function hostWith(limit: number): Host {
  return {
    raiseDescriptorLimit: (wanted: number) => Math.min(wanted, limit),
    listen: () => {
      throw new Reached();
    },
  } as unknown as Host;
}

function configuration(connMax: number): Configuration {
  return { ...EMPTY_CONFIGURATION, listen: [LISTEN], settings: { ...DEFAULT_SETTINGS, connMax } };
}

async function start(limit: number, connMax: number): Promise<unknown> {
  return Balancer.start(hostWith(limit), configuration(connMax), NO_WORKER).catch((error: unknown) => error);
}

describe('descriptors', () => {
  test('a number of connections that somebody asked for is refused when the machine does not allow it', async () => {
    const error = await start(1024, 1000);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain('conn_max: 1000 connections need 2048 descriptors, but the limit is 1024');
    expect(String(error)).toContain('ulimit -n 2048');
    expect(String(error)).toContain('at most 488 connections (-x)');
  });

  test('the default shrinks instead', async () => {
    expect(await start(1000, 0)).toBeInstanceOf(Reached);
  });

  test('enough is enough', async () => {
    expect(await start(2000 + DESCRIPTOR_RESERVE, 1000)).toBeInstanceOf(Reached);
  });

  test('each further worker needs some of its own', async () => {
    const wanted = configuration(1000);
    const four = { ...wanted, settings: { ...wanted.settings, workers: 4 } };
    const begin = async (limit: number): Promise<unknown> =>
      Balancer.start(hostWith(limit), four, NO_WORKER).catch((error: unknown) => error);
    expect(String(await begin(2000 + DESCRIPTOR_RESERVE))).toContain('1000 connections need 2072 descriptors');
    expect(await begin(2072)).toBeInstanceOf(Reached);
  });

  test('each further listener needs one, and where the loop holds who waits, room for those at each', async () => {
    const at = (port: number) => ({ text: `${port}`, endpoint: { ...LISTEN.endpoint, port } });
    const ten = { ...EMPTY_FARM, listen: Array.from({ length: 10 }, (_, n) => at(8000 + n)) };
    const many = { ...configuration(1000), farms: new Map([['web', ten]]) };
    const begin = async (limit: number, more: Partial<Host> = {}): Promise<unknown> =>
      Balancer.start({ ...hostWith(limit), ...more }, many, NO_WORKER).catch((error: unknown) => error);
    expect(String(await begin(2009 + DESCRIPTOR_RESERVE))).toContain('1000 connections need 2058 descriptors');
    expect(await begin(2010 + DESCRIPTOR_RESERVE)).toBeInstanceOf(Reached);
    let limit = 0;
    const raiseDescriptorLimit = (wanted: number) => (limit = wanted);
    const holding = { ...hostWith(0), raiseDescriptorLimit, listenInLoop: () => undefined } as unknown as Host;
    const { descriptorMax, backlog } = fitToMachine(holding, many);
    expect(limit).toBe(3000 + DESCRIPTOR_RESERVE + 10 + 11 * 501);
    expect(descriptorMax + DESCRIPTOR_RESERVE + 10 + 11 * (backlog + 1)).toBe(limit);
  });

  test('a listener that could never accept anybody is refused', async () => {
    const at = (port: number) => ({ text: `${port}`, endpoint: { ...LISTEN.endpoint, port } });
    const web = { ...EMPTY_FARM, listen: [at(81), at(82), at(83)] };
    const begin = async (connMax: number): Promise<unknown> =>
      Balancer.start(hostWith(5000), { ...configuration(connMax), farms: new Map([['web', web]]) }, NO_WORKER).catch(
        (error: unknown) => error,
      );
    expect(String(await begin(3))).toContain(
      'conn_max: 3 connections are too few for 4 listeners, which have a place in hand each; say at least 4',
    );
    expect(await begin(4)).toBeInstanceOf(Reached);
  });

  test('a machine without room for a single connection is refused in any case', async () => {
    const error = await start(DESCRIPTOR_RESERVE + 1, 0);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(/raise it \(ulimit -n \d+\)$/);
  });
});

test('a listener that cannot be had is a mistake of the person who started us, with what would help', async () => {
  const error = { message: 'cannot listen on 127.0.0.1:80 (EADDRINUSE)', help: 'stop the other program' };
  const host = { ...hostWith(5000), listen: () => ({ fd: -1, error }) } as unknown as Host;
  await expect(Balancer.start(host, configuration(10), NO_WORKER)).rejects.toThrow(
    'listen address: cannot listen on 127.0.0.1:80 (EADDRINUSE); stop the other program',
  );
});

describe('a host that lets us listen', () => {
  const UNIX = { text: '/run/pen.sock', endpoint: { kind: KIND_UNIX, path: '/run/pen.sock' } } as const;
  /** A worker that says it is ready and then has nothing to do. */
  const WORKER = programAt(
    new URL(
      `data:text/javascript,${encodeURIComponent(
        "import { parentPort } from 'node:worker_threads'; parentPort.postMessage({ kind: 'sim', reason: '' });",
      )}`,
    ),
  );

  /** Notes what is closed, removed and aborted. */
  function noting(): { readonly host: Host; readonly notes: string[] } {
    const notes: string[] = [];
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(LISTEN.endpoint, endpoint, 0);
    const host = {
      ...hostWith(5000),
      listen: () => ({ fd: 77 }),
      localEndpoint: () => endpoint,
      createWake: () => 78,
      wake: () => undefined,
      tuneListening: (fd: number, { backlog, noDelay }: Tuning) => notes.push(`tune ${fd} ${backlog} ${noDelay}`),
      holdNewcomers: (fd: number) => notes.push(`hold ${fd}`),
      hasWaiting: (_fd: number, done: (isWaiting: boolean) => void) => done(false),
      stopListening: (fd: number) => notes.push(`stop ${fd}`),
      close: (fd: number) => notes.push(`close ${fd}`),
      abort: (fd: number) => notes.push(`abort ${fd}`),
      unlinkOwn: (path: string) => notes.push(`unlink ${path}`),
    } as unknown as Host;
    return { host, notes };
  }

  test('gets its listener back when the worker cannot start, and the path of a unix one', async () => {
    const { host, notes } = noting();
    await expect(Balancer.start(host, { ...configuration(10), listen: [UNIX] }, NO_WORKER)).rejects.toThrow();
    expect(notes).toEqual(['close 77', 'unlink /run/pen.sock']);
  });

  const expecting = (clientsMax: number): Configuration => {
    const { settings, ...others } = configuration(10);
    return { ...others, settings: { ...settings, clientsMax } };
  };

  test('has its listener used only when rights are given up, with all else standing', async () => {
    const { host, notes } = noting();
    let memory: ArrayBufferLike | undefined;
    const preferBigPages = ({ buffer }: Uint8Array): void => void (memory = buffer);
    const listening = (): number | undefined => {
      const tables = openTables(memory as SharedArrayBuffer);
      return configAt(tables, currentVersion(tables)).settings.listenerCount[0];
    };
    const start = async (beforeServing: () => void): Promise<Balancer> =>
      Balancer.start({ ...host, preferBigPages }, expecting(BIG_PAGES_CLIENTS), WORKER, { beforeServing });
    const seen: unknown[] = [];
    const balancer = await start(() => seen.push(listening()));
    seen.push(listening());
    await balancer.stop();
    expect(seen).toEqual([0, 1]);
    notes.length = 0;
    const refused = start(() => {
      throw new ConfigError('-u', 'no');
    });
    await expect(refused).rejects.toThrow('-u: no');
    expect([listening(), notes]).toEqual([0, ['close 77']]);
  });

  test('has a change published once, and a move with the old listener until nobody waits there', async () => {
    const { host } = noting();
    const counts: unknown[] = [];
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    const { tables } = balancer;
    const versions = async (change: Configuration): Promise<number> => {
      const before = currentVersion(tables);
      await balancer.apply(change);
      return currentVersion(tables) - before;
    };
    const hasWaiting = (_fd: number, done: (isWaiting: boolean) => void): void => {
      counts.push(configAt(tables, currentVersion(tables)).settings.listenerCount[0]);
      done(false);
    };
    Object.assign(host, { hasWaiting });
    expect(await versions(configuration(9))).toBe(1);
    expect(await versions({ ...configuration(9), listen: [UNIX] })).toBe(2);
    expect(counts).toEqual([2, 1]);
    await balancer.stop();
  });

  test('gets it back when the balancer stops', async () => {
    const { host, notes } = noting();
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    expect(balancer.address).toBe('127.0.0.1:0');
    expect(await balancer.stop()).toBe(true);
    expect(notes).toEqual(['close 77']);
  });

  test('is asked for big pages when many clients are expected, at start or later', async () => {
    const { host } = noting();
    const asked: number[] = [];
    Object.assign(host, { preferBigPages: (bytes: Uint8Array) => void asked.push(bytes.length) });
    const balancer = await Balancer.start(host, expecting(BIG_PAGES_CLIENTS), WORKER);
    expect(asked).toEqual([clientMemory(balancer.tables).length]);
    await balancer.apply(expecting(BIG_PAGES_CLIENTS - 1));
    expect(asked).toHaveLength(1);
    await balancer.apply(expecting(CLIENTS_MAX - 1));
    expect(asked).toHaveLength(2);
    const half = expecting(BIG_PAGES_CLIENTS / 2);
    const farm = { ...EMPTY_FARM, settings: { ...EMPTY_FARM.settings, clientsMax: BIG_PAGES_CLIENTS / 2 } };
    await balancer.apply(half);
    expect(asked, 'too few').toHaveLength(2);
    await balancer.apply({ ...half, farms: new Map([['a', farm]]) });
    expect(asked, 'of all farms').toHaveLength(3);
    await balancer.stop();
  });

  /** A host whose loop listens, and how many clients may wait there. */
  function inLoop(limit: number, error?: object): { readonly host: Host; readonly asked: number[]; notes: string[] } {
    const asked: number[] = [];
    const { host, notes } = noting();
    Object.assign(host, hostWith(limit), {
      listenInLoop: (_: Uint8Array, { backlog }: ListenOptions, done: (result: object) => void) => {
        asked.push(backlog);
        notes.push('listen');
        setImmediate(() => done(error ? { error } : { fd: 7 }));
      },
    });
    Object.assign(host, { createWake: () => notes.push('worker') });
    return { host, asked, notes };
  }

  test('a loop that listens itself is started first', async () => {
    const { host, notes } = inLoop(5000);
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    expect(notes).toEqual(['worker', 'listen']);
    expect(configAt(balancer.tables, currentVersion(balancer.tables)).listeners.fd[0]).toBe(7);
    await balancer.stop();
    expect(notes).toEqual(['worker', 'listen', 'close 7']);
  });

  test('what keeps a loop from listening is told as by others, and the worker ends', async () => {
    const { host } = inLoop(5000, { message: 'cannot listen on 127.0.0.1:80', help: 'choose another' });
    await expect(Balancer.start(host, configuration(10), WORKER)).rejects.toThrow(
      'listen address: cannot listen on 127.0.0.1:80; choose another',
    );
  });

  test.each([
    { limit: 2049, connMax: 0, backlog: 500, connections: 500 },
    { limit: 1024, connMax: 400, backlog: 44, connections: 400 },
    { limit: 64, connMax: 0, backlog: 4, connections: 5 },
  ])('of $limit descriptors $backlog are for clients that wait in a loop', async ({ limit, ...wanted }) => {
    const { host, asked } = inLoop(limit);
    const balancer = await Balancer.start(host, configuration(wanted.connMax), WORKER);
    const { connMax } = balancer.fitted.settings;
    expect(balancer.configuration.settings.connMax, 'is what was said').toBe(wanted.connMax);
    expect([asked, connMax]).toEqual([[wanted.backlog], wanted.connections]);
    const { descriptorMax } = configAt(balancer.tables, currentVersion(balancer.tables)).settings;
    expect((descriptorMax[0] ?? 0) + wanted.backlog + 1 + DESCRIPTOR_RESERVE).toBe(limit);
    await balancer.stop();
  });

  test('a loop in the memory of Node has room for fewer connections', async () => {
    const { host } = inLoop(1e6);
    await expect(Balancer.start(host, configuration(NODE_CONNECTIONS_MAX + 1), WORKER)).rejects.toThrow(
      `conn_max: there is room for ${NODE_CONNECTIONS_MAX} connections`,
    );
    const balancer = await Balancer.start(host, configuration(NODE_CONNECTIONS_MAX - 10), WORKER);
    expect(balancer.configuration.settings.parkedMax, 'nobody has said').toBe('auto');
    expect(balancer.fitted.settings.parkedMax).toBe(10);
    await balancer.apply({ ...balancer.configuration, servers: [UNSET_SERVER] });
    expect(balancer.fitted.settings.parkedMax, 'whatever else is said').toBe(10);
    await balancer.stop();
  });

  test('has the listener changed when what it was opened with changes, and not otherwise', async () => {
    const { host, notes } = noting();
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    notes.length = 0;
    const say = async (settings: Partial<Configuration['settings']>): Promise<void> => {
      const before = balancer.configuration;
      await balancer.apply({ ...before, settings: { ...before.settings, ...settings } });
    };
    await say({ tcpNodelay: false });
    await say({ timeout: 7 });
    await say({ backlog: 9 });
    await say({ tcpNodelay: true });
    expect(notes).toEqual(['tune 77 500 false', 'tune 77 9 false', 'tune 77 9 true']);
    await balancer.stop();
  });

  test('aborts what a failed worker left behind, and nothing else', async () => {
    const { host, notes } = noting();
    const balancer = await Balancer.start(host, configuration(2), WORKER);
    balancer.tables.sides.fd.set([40, 41, -1, 43, 99]);
    balancer.tables.workers.slotEnd[0] = 2;
    await vi.waitFor(() => expect(balancer.supervisor.isGone(0)).toBe(true));
    balancer.abortLeftBehind();
    expect(notes).toEqual(['abort 40', 'abort 41', 'abort 43']);
  });

  test('keeps what is in force when more connections are wanted than there can be', async () => {
    const { host, notes } = noting();
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    const wanted = (connMax: number): Configuration => {
      const before = balancer.configuration;
      return { ...before, settings: { ...before.settings, connMax } };
    };
    await balancer.apply(wanted(20));
    expect(balancer.configuration.settings.connMax).toBe(20);
    await expect(balancer.apply(wanted(100_000))).rejects.toThrow('conn_max: 100000 connections need');
    await expect(balancer.apply(wanted(CONNECTIONS_MAX + 1))).rejects.toThrow('conn_max: there is room for');
    expect(balancer.configuration.settings.connMax).toBe(20);
    expect(notes).toEqual([]);
    await balancer.stop();
  });

  test('says beforehand what could not be, and changes nothing', async () => {
    const { host, notes } = noting();
    const trials: unknown[] = [];
    const listen = (_: Uint8Array, { isTrial }: ListenOptions): object => {
      trials.push(isTrial);
      return { fd: 79 };
    };
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    const { configuration: before, tables } = balancer;
    const version = currentVersion(tables);
    const refusal = async (next: Partial<Configuration>): Promise<unknown> =>
      balancer.prepare({ ...before, ...next }).catch(String);
    const settings = before.settings;
    expect(await refusal({ settings: { ...settings, connMax: 100_000 } })).toMatch(/conn_max: 100000 connections need/);
    expect(await refusal({ settings: { ...settings, clientAcl: 'none-such' } })).toMatch(/there is no access list/);
    expect(await refusal({ settings: { ...settings, geoip: '/f' }, acls: COUNTRY })).toMatch(/geoip: there is nothing/);
    Object.assign(host, { listen: () => ({ error: { message: 'cannot listen', help: '' } }) });
    expect(await refusal({ listen: [UNIX] })).toBe('ConfigError: listen address: cannot listen');
    Object.assign(host, { listen });
    expect(await refusal({ listen: [UNIX] })).toMatchObject({ notices: [] });
    expect(trials).toEqual([true]);
    expect(notes.splice(0)).toEqual(['close 79', 'unlink /run/pen.sock']);
    expect([balancer.configuration, currentVersion(tables), balancer.address]).toEqual([
      before,
      version,
      '127.0.0.1:0',
    ]);
    const { commit } = await balancer.prepare({ ...before, listen: [UNIX] });
    await commit();
    expect(trials).toEqual([true, true, false]);
    expect(balancer.address).toBe('/run/pen.sock');
    await balancer.stop();
  });

  test('tells that the file of countries is another one', async () => {
    const { host } = noting();
    let stamp = 'one';
    const read: ReadCountries = (path) => ({ path, stamp, ipv4: NO_RANGES[1], ipv6: NO_RANGES[4] });
    const named = { ...configuration(10), settings: { ...DEFAULT_SETTINGS, connMax: 10, geoip: '/f' } };
    const balancer = await Balancer.start(host, named, WORKER, { readCountries: read });
    const noticed = async (): Promise<unknown> => (await balancer.prepare(balancer.configuration)).notices;
    expect(await noticed()).toEqual([]);
    stamp = 'two';
    expect(await noticed()).toEqual(['/f: is another file than before, and says which country an address is in']);
    await balancer.stop();
  });

  test('moves its listener only when the new one stands, and then closes the old one', async () => {
    const { host, notes } = noting();
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    const moved = { ...balancer.configuration, listen: [UNIX] };
    const error = { message: 'cannot listen', help: '' };
    Object.assign(host, { listen: () => ({ fd: -1, error }) });
    await expect(balancer.apply(moved)).rejects.toThrow('listen address: cannot listen');
    expect([balancer.address, notes]).toEqual(['127.0.0.1:0', []]);
    Object.assign(host, { listen: () => ({ fd: 79 }) });
    await balancer.apply(moved);
    expect([balancer.address, notes]).toEqual(['/run/pen.sock', ['hold 77', 'stop 77', 'close 77']]);
    await balancer.stop();
    expect(notes).toEqual(['hold 77', 'stop 77', 'close 77', 'close 79', 'unlink /run/pen.sock']);
  });

  test('leaves the listeners of a farm that goes, whose clients are its own to the last', async () => {
    const { host, notes } = noting();
    const balancer = await Balancer.start(host, configuration(10), WORKER);
    const { configuration: before, tables } = balancer;
    const listening = (): (readonly [number | undefined, number | undefined])[] => {
      const { settings, listeners } = configAt(tables, currentVersion(tables));
      return Array.from({ length: settings.listenerCount[0]! }, (_, i) => [listeners.fd[i], listeners.farm[i]]);
    };
    Object.assign(host, { listen: () => ({ fd: 79 }) });
    const farms = new Map([['shop', { ...EMPTY_FARM, listen: [UNIX], servers: [UNSET_SERVER] }]]);
    await balancer.apply({ ...before, farms });
    const row = rowsInForce(tables).farms.get('shop')!.row;
    expect([row, notes, listening()]).toEqual([
      1,
      [],
      [
        [77, 0],
        [79, 1],
      ],
    ]);
    const left = balancer.apply(before);
    await vi.waitFor(() => expect(notes).toContain('hold 79'));
    expect(listening(), 'those who wait').toContainEqual([79, row]);
    await left;
    expect([listening(), notes]).toEqual([[[77, 0]], ['hold 79', 'stop 79', 'close 79', 'unlink /run/pen.sock']]);
    await balancer.apply({ ...before, farms: new Map([['other', EMPTY_FARM]]) });
    expect(rowsInForce(tables).farms.get('other')!.row).toBe(row);
    await balancer.stop();
  });
});
