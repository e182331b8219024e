import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import { aclEntryText, parseAclEntry } from './access-list.ts';
import { hostText } from './address.ts';
import { idleFacts } from './command.ts';
import { readInto } from './blocks.suite.ts';
import { COMMANDS } from './commands.ts';
import { FARM_KEYS, farmOf, UNNAMED, type Farm } from './farms.ts';
import {
  CLIENTS_LIMIT,
  CONNECTIONS_LIMIT,
  DEFAULT_SETTINGS,
  EMPTY_CONFIGURATION,
  isUsed,
  serverAt,
  UNSET_SERVER,
  type AclEntry,
  type Configuration,
  type LogPlace,
  type ServerConfig,
  type Settings,
  type WrittenEndpoint,
} from './model.ts';
import { printConfiguration } from './print.ts';

const CONTEXT = { facts: idleFacts(1), hosts: new Map<string, Endpoint>(), servicePort: () => undefined };

function read(lines: readonly string[]): Configuration {
  return readInto(EMPTY_CONFIGURATION, lines, CONTEXT);
}

const number = (max: number, min = 0): fc.Arbitrary<number> => fc.oneof(fc.integer({ min, max }), fc.constant(max));
const seconds = (min = 0): fc.Arbitrary<number> => number(10_000_000, min);
const list = number(9);
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,31}$/).filter((text) => !['none', 'auto'].includes(text));
const listId = fc.oneof(list, name);
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

/** As addresses are once they were read: IPv4 in IPv6 is IPv4. */
function isCanonical({ kind, ip }: { kind: number; ip: Uint8Array }): boolean {
  return kind !== KIND_IPV6 || ip.subarray(0, 10).some((byte) => byte !== 0) || ip[10] !== 255 || ip[11] !== 255;
}

type Ip = Exclude<Endpoint, { kind: typeof KIND_UNIX }>;

function ipEndpoint(port: fc.Arbitrary<number>): fc.Arbitrary<Ip> {
  return fc.oneof(
    fc.record({ kind: fc.constant(KIND_IPV4), ip: bytes(4), port }),
    fc.record({ kind: fc.constant(KIND_IPV6), ip: bytes(16), port, scope: number(999_999_999) }).filter(isCanonical),
  );
}

const source = ipEndpoint(fc.constant(0)).filter(({ ip }) => ip.some((byte) => byte !== 0));
/** Also such as no line could hold without quotes. */
const path = fc.oneof(fc.constant(''), fc.string({ minLength: 1, maxLength: 20 }));

/** To a file, or to an address as it would be written. */
const logPlace: fc.Arbitrary<LogPlace> = fc.oneof(
  fc
    .string({ minLength: 1, maxLength: 20 })
    .filter((text) => text.startsWith('/') || !text.includes(':'))
    .map((text) => ({ text, endpoint: undefined })),
  ipEndpoint(fc.integer({ min: 1, max: 65_535 }))
    .filter(({ ip }) => ip.some((byte) => byte !== 0))
    .map((endpoint) => {
      const host = hostText(endpoint);
      return { text: `${endpoint.kind === KIND_IPV6 ? `[${host}]` : host}:${endpoint.port}`, endpoint };
    }),
);

const settings: fc.Arbitrary<Settings> = fc.record({
  loop: fc.constantFrom('auto', 'uring', 'epoll', 'node'),
  workers: number(64, 1),
  prio: fc.boolean(),
  weight: fc.boolean(),
  leastconn: fc.boolean(),
  hash: fc.constantFrom('off', 'spread', 'original'),
  roundrobin: fc.boolean(),
  stubborn: fc.boolean(),
  peek: fc.boolean(),
  dummy: fc.boolean(),
  blacklist: seconds(),
  tracking: seconds(),
  clientsMax: number(CLIENTS_LIMIT),
  clientPrefix: fc.constantFrom(64, 128),
  clientAcl: listId,
  controlAcl: listId,
  trustedAcl: fc.oneof(fc.constant('none' as const), listId),
  geoip: fc.oneof(fc.constant(''), path),
  sourceMax: fc.oneof(fc.constant('auto' as const), number(CONNECTIONS_LIMIT)),
  parkedMax: fc.oneof(fc.constant('auto' as const), number(CONNECTIONS_LIMIT)),
  timeout: seconds(1),
  idleTimeout: seconds(),
  halfClosedTimeout: seconds(),
  connMax: number(CONNECTIONS_LIMIT),
  pendingMax: number(CONNECTIONS_LIMIT, 1),
  acceptBatch: number(10_000, 1),
  backlog: number(65_535, 1),
  tcpFastclose: fc.constantFrom('off', 'up', 'down', 'both'),
  tcpNodelay: fc.boolean(),
  keepalive: fc.boolean(),
  source: fc.option(source, { nil: undefined }),
  idlers: number(CONNECTIONS_LIMIT),
  debug: list,
  ascii: fc.boolean(),
  abortOnError: fc.boolean(),
  exitEnabled: fc.boolean(),
  pidFile: path,
  controlDir: path,
  log: fc.option(logPlace, { nil: undefined }),
  connectionLog: fc.option(
    fc.string({ minLength: 1, maxLength: 20 }).map((text) => ({ text, endpoint: undefined })),
    { nil: undefined },
  ),
  webStats: path,
});

const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  ipEndpoint(number(65_535)),
  fc.record({ kind: fc.constant(KIND_UNIX), path: fc.stringMatching(/^[a-z.]{0,9}\/[A-Za-z0-9._/é-]{1,40}$/) }),
);
const limit = number(2 ** 31 - 1);
const atPort = fc.record({ endpoint, hasListenerPort: fc.constant(false) });
const atListenersPort = fc.record({ endpoint: ipEndpoint(fc.constant(0)), hasListenerPort: fc.constant(true) });
const server: fc.Arbitrary<ServerConfig> = fc
  .tuple(
    fc.oneof(atPort, atListenersPort),
    fc.record({ max: limit, hard: limit, weight: limit, prio: limit, acl: listId }),
  )
  .map(([place, limits]) => ({ ...place, ...limits }));
/** Those that have an address that is used, and no list: options and commands cannot say more. */
const special: fc.Arbitrary<ServerConfig | undefined> = fc.option(
  server.filter(isUsed).map((each) => ({ ...each, acl: 0 })),
  { nil: undefined },
);
const place: fc.Arbitrary<WrittenEndpoint> = endpoint
  .filter((each) => !('port' in each) || each.port !== 0)
  .map((each) => ({ text: 'port' in each ? `[${hostText(each)}]:${each.port}` : each.path, endpoint: each }));
const servers = fc
  .array(fc.option(server, { nil: undefined }), { maxLength: 6 })
  .chain((all) => fc.option(server, { nil: undefined }).map((last) => (last ? [...all, last] : [])));

const words = fc.tuple(
  fc.boolean(),
  fc.oneof(
    fc.tuple(fc.ipV4(), fc.ipV4()).map(([address, mask]) => [address, mask]),
    fc.tuple(fc.ipV4(), number(32)).map(([address, length]) => [`${address}/${length}`]),
    fc.tuple(fc.ipV6(), number(128)).map(([address, length]) => [`${address}/${length}`]),
    fc.constantFrom(['unix'], ['country', 'SE'], ['country', 'ZZ']),
  ),
);
const entry: fc.Arbitrary<AclEntry> = words.map(([permits, rest]) =>
  parseAclEntry([permits ? 'permit' : 'deny', ...rest], 'test'),
);
const acls = fc.array(fc.array(entry, { maxLength: 4 }), { minLength: 10, maxLength: 10 });
const namedAcls = fc
  .array(fc.tuple(name, fc.array(entry, { minLength: 1, maxLength: 4 })), { maxLength: 3 })
  .map((lists) => new Map(lists));

const listen = fc.array(place, { maxLength: 3 });
/** A farm has what a configuration has of its own, and nothing else. */
const farm: fc.Arbitrary<Farm> = fc
  .record({ settings, servers, emergency: special, abuse: special, listen })
  .map((parts) => farmOf({ ...EMPTY_CONFIGURATION, ...parts }, UNNAMED));
const farms = fc
  .array(fc.tuple(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/), farm), { maxLength: 3 })
  .map((all) => new Map(all));

const configuration: fc.Arbitrary<Configuration> = fc
  .record({
    settings,
    servers,
    acls,
    namedAcls,
    emergency: special,
    abuse: special,
    listen,
    control: fc.option(place, { nil: undefined }),
    farms,
  })
  .map((parts) => ({ ...EMPTY_CONFIGURATION, ...parts }));

describe('what is drawn here', () => {
  const drawn = fc.sample(configuration, { seed: 1, numRuns: 400 });
  /** Those of which no drawn configuration has another value than an empty one. */
  const neverChanged = (names: readonly string[], valueOf: (state: Configuration, name: string) => unknown): string[] =>
    names.filter((name) => {
      const plain = JSON.stringify(valueOf(EMPTY_CONFIGURATION, name));
      return drawn.every((state) => JSON.stringify(valueOf(state, name)) === plain);
    });

  test('every command that can be written is', () => {
    const writers = new Map(COMMANDS.flatMap(({ name, write }) => (write ? [[name, write] as const] : [])));
    expect(neverChanged([...writers.keys()], (state, name) => writers.get(name)?.(state))).toEqual([]);
  });

  test('every command that sets something can be written, by itself or by one that sets the same', () => {
    const partsOf = (name: string, words: readonly string[]): string[] =>
      (COMMANDS.find((command) => command.name === name)?.sets?.(words) ?? []).map((part) => JSON.stringify(part));
    const written = new Set(
      drawn
        .flatMap((state) => printConfiguration(state))
        .flatMap((line) => {
          const [first = '', ...rest] = line.split(' ');
          return first === 'no' ? partsOf(rest[0] ?? '', rest.slice(1)) : partsOf(first, rest);
        }),
    );
    const settings = COMMANDS.flatMap(({ name }) => partsOf(name, ['1'])).filter((part) => part.includes('"settings"'));
    expect(settings.filter((part) => !written.has(part))).toEqual([]);
  });

  test('every setting, every part of a configuration and of a server has other values', () => {
    const settings = Object.keys(DEFAULT_SETTINGS) as (keyof Settings)[];
    expect(neverChanged(settings, (state, key) => state.settings[key as keyof Settings] ?? null)).toEqual([]);
    const parts = Object.keys(EMPTY_CONFIGURATION) as (keyof Configuration)[];
    const plain = (value: unknown): unknown => (value instanceof Map ? [...value] : value);
    expect(neverChanged(parts, (state, key) => plain(state[key as keyof Configuration]) ?? null)).toEqual([]);
    const ofFarms = drawn.flatMap(({ farms }) => [...farms.values()]);
    const inFarms = (key: (typeof FARM_KEYS)[number]): unknown[] => ofFarms.map(({ settings }) => settings[key]);
    expect(FARM_KEYS.filter((key) => inFarms(key).every((value) => value === DEFAULT_SETTINGS[key]))).toEqual([]);
    const keys = Object.keys(UNSET_SERVER) as (keyof ServerConfig)[];
    const values = (key: keyof ServerConfig): unknown[] =>
      drawn.flatMap(({ servers }) => servers.map((each) => JSON.stringify((each ?? UNSET_SERVER)[key])));
    expect(keys.filter((key) => new Set(values(key)).size < 2)).toEqual([]);
  });

  test('every kind of entry stands in lists', () => {
    const kinds = drawn.flatMap(({ acls, namedAcls }) =>
      [...acls, ...namedAcls.values()].flat().map(({ kind }) => kind),
    );
    expect(new Set(kinds)).toEqual(new Set([4, 6, 'country', 'unix']));
  });
});

describe('what is written', () => {
  test('makes the same configuration when it is read', () => {
    fc.assert(
      fc.property(configuration, (state) => {
        expect(read(printConfiguration(state))).toEqual(state);
      }),
    );
  });

  test('is the same again when it was read', () => {
    fc.assert(
      fc.property(configuration, (state) => {
        const lines = printConfiguration(state);
        expect(printConfiguration(read(lines))).toEqual(lines);
      }),
    );
  });

  test('has a block for each farm with a name behind all else, of what is its own alone', () => {
    const web = farmOf({ ...EMPTY_CONFIGURATION, settings: { ...DEFAULT_SETTINGS, hash: 'spread' } }, UNNAMED);
    const alone = printConfiguration(EMPTY_CONFIGURATION);
    const lines = printConfiguration({ ...EMPTY_CONFIGURATION, farms: new Map([['web', web]]) });
    expect(lines.slice(0, alone.length + 4)).toEqual([...alone, 'farm web', 'blacklist 30', 'client_acl 0', 'hash']);
    expect(lines.slice(alone.length + 1).filter((line) => /^(no )?(acl|conn_max|log|debug|farm)/.test(line))).toEqual(
      [],
    );
  });

  test('has the order of the original, and what it does not know behind', () => {
    const state: Configuration = {
      ...EMPTY_CONFIGURATION,
      servers: [
        serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 20001 }),
        undefined,
        serverAt({ kind: KIND_UNIX, path: '/run/www' }, { max: 5, hard: 7, weight: 3, prio: 2 }),
      ],
      namedAcls: new Map([['office', [parseAclEntry(['permit', '10.1.2.3'], '')]]]),
      acls: EMPTY_CONFIGURATION.acls.with(3, [
        parseAclEntry(['permit', '10.1.2.3', '255.0.0.0'], ''),
        parseAclEntry(['deny', '2001:db8::1'], ''),
      ]),
      settings: { ...DEFAULT_SETTINGS, tcpNodelay: false },
    };
    const lines = printConfiguration(state);
    expect(lines.slice(0, 38)).toEqual([
      'no acl 0',
      'no acl 1',
      'no acl 2',
      'no acl 3',
      'acl 3 permit 10.0.0.0 255.0.0.0',
      'acl 3 deny 2001:db8::1/128',
      ...[4, 5, 6, 7, 8, 9].map((list) => `no acl ${list}`),
      'no acl office',
      'acl office permit 10.1.2.3 255.255.255.255',
      'no ascii',
      'blacklist 30',
      'client_acl 0',
      'control_acl 0',
      'debug 0',
      'no hash',
      'no log',
      'no roundrobin',
      'server 0 acl 0 address 127.0.0.1 port 20001 max 0 hard 0 weight 0 prio 0',
      'server 2 acl 0 address /run/www port 1 max 5 hard 7 weight 3 prio 2',
      'no stubborn',
      'tcp_fastclose off',
      'no tcp_nodelay',
      'timeout 3',
      'tracking 0',
      'no web_stats',
      'no weight',
      'no prio',
      'no leastconn',
      'no peek',
      'no dummy',
      'no emergency',
      'no abuse',
      'clients_max 0',
    ]);
  });
});

describe('entries of access lists', () => {
  test.each([
    ['permit 10.1.2.3', 'permit 10.1.2.3 255.255.255.255'],
    ['deny 10.1.2.3 255.255.0.0', 'deny 10.1.0.0 255.255.0.0'],
    ['permit 10.1.2.3/9', 'permit 10.0.0.0 255.128.0.0'],
    ['permit 10.1.2.3/0', 'permit 0.0.0.0 0.0.0.0'],
    ['permit 10.1.2.3 255.0.0.255', 'permit 10.0.0.3 255.0.0.255'],
    ['deny unix', 'deny unix'],
    ['permit country se', 'permit country SE'],
    ['permit ::1', 'permit ::1/128'],
    ['permit 2001:DB8::/32', 'permit 2001:db8::/32'],
    ['permit 2001:db8:ffff::/33', 'permit 2001:db8:8000::/33'],
    ['permit ffff::/0', 'permit ::/0'],
    ['permit ::ffff:10.1.2.3', 'permit 10.1.2.3 255.255.255.255'],
    ['permit ::ffff:10.1.2.3/104', 'permit 10.0.0.0 255.0.0.0'],
  ])('%s is kept as %s', (text, kept) => {
    expect(aclEntryText(parseAclEntry(text.split(' '), ''))).toBe(kept);
  });
});
