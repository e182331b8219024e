import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import { aclEntryText, parseAclEntry } from './access-list.ts';
import { idleFacts } from './command.ts';
import { applyCommand } from './commands.ts';
import {
  CLIENTS_LIMIT,
  CONNECTIONS_LIMIT,
  DEFAULT_SETTINGS,
  EMPTY_CONFIGURATION,
  serverAt,
  type AclEntry,
  type Configuration,
  type ServerConfig,
  type Settings,
} from './model.ts';
import { printConfiguration } from './print.ts';

const CONTEXT = { facts: idleFacts(1), hosts: new Map<string, Endpoint>(), servicePort: () => undefined };

function read(lines: readonly string[]): Configuration {
  return lines.reduce((state, line) => applyCommand(state, line, 'test', CONTEXT).state, EMPTY_CONFIGURATION);
}

const number = (max: number, min = 0): fc.Arbitrary<number> => fc.oneof(fc.integer({ min, max }), fc.constant(max));
const seconds = (min = 0): fc.Arbitrary<number> => number(10_000_000, min);
const list = number(9);
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

const settings: fc.Arbitrary<Settings> = fc.record({
  loop: fc.constantFrom('auto', 'uring', 'epoll', 'node'),
  workers: number(64, 1),
  prio: fc.boolean(),
  weight: fc.boolean(),
  leastconn: fc.boolean(),
  hash: fc.constantFrom('off', 'spread', 'original'),
  roundrobin: fc.boolean(),
  stubborn: fc.boolean(),
  blacklist: seconds(),
  tracking: seconds(),
  clientsMax: number(CLIENTS_LIMIT),
  clientPrefix: fc.constantFrom(64, 128),
  clientAcl: list,
  controlAcl: list,
  trustedAcl: fc.oneof(fc.constant('none' as const), list),
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
  debug: list,
  ascii: fc.boolean(),
  // Options say these, commands do not.
  exitEnabled: fc.constant(false),
  pidFile: fc.constant(''),
});

/** As addresses are once they were read: IPv4 in IPv6 is IPv4. */
function isCanonical({ kind, ip }: { kind: number; ip: Uint8Array }): boolean {
  return kind !== KIND_IPV6 || ip.subarray(0, 10).some((byte) => byte !== 0) || ip[10] !== 255 || ip[11] !== 255;
}

const port = number(65_535);
const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.record({ kind: fc.constant(KIND_IPV4), ip: bytes(4), port }),
  fc.record({ kind: fc.constant(KIND_IPV6), ip: bytes(16), port, scope: number(999_999_999) }).filter(isCanonical),
  fc.record({ kind: fc.constant(KIND_UNIX), path: fc.stringMatching(/^[a-z.]{0,9}\/[A-Za-z0-9._/é-]{1,40}$/) }),
);
const limit = number(2 ** 31 - 1);
const server: fc.Arbitrary<ServerConfig> = fc.record({
  endpoint,
  max: limit,
  hard: limit,
  weight: limit,
  prio: limit,
  acl: list,
});
const servers = fc
  .array(fc.option(server, { nil: undefined }), { maxLength: 6 })
  .chain((all) => fc.option(server, { nil: undefined }).map((last) => (last ? [...all, last] : [])));

const words = fc.tuple(
  fc.boolean(),
  fc.oneof(
    fc.tuple(fc.ipV4(), fc.ipV4()).map(([address, mask]) => [address, mask]),
    fc.tuple(fc.ipV4(), number(32)).map(([address, length]) => [`${address}/${length}`]),
    fc.tuple(fc.ipV6(), number(128)).map(([address, length]) => [`${address}/${length}`]),
  ),
);
const entry: fc.Arbitrary<AclEntry> = words.map(([permits, rest]) =>
  parseAclEntry([permits ? 'permit' : 'deny', ...rest], 'test'),
);
const acls = fc.array(fc.array(entry, { maxLength: 4 }), { minLength: 10, maxLength: 10 });

const configuration: fc.Arbitrary<Configuration> = fc
  .record({ settings, servers, acls })
  .map((parts) => ({ ...EMPTY_CONFIGURATION, ...parts }));

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

  test('has the order of the original, and what it does not know behind', () => {
    const state: Configuration = {
      ...EMPTY_CONFIGURATION,
      servers: [
        serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 20001 }),
        undefined,
        serverAt({ kind: KIND_UNIX, path: '/run/www' }, { max: 5, hard: 7, weight: 3, prio: 2 }),
      ],
      acls: EMPTY_CONFIGURATION.acls.with(3, [
        parseAclEntry(['permit', '10.1.2.3', '255.0.0.0'], ''),
        parseAclEntry(['deny', '2001:db8::1'], ''),
      ]),
      settings: { ...DEFAULT_SETTINGS, tcpNodelay: false },
    };
    const lines = printConfiguration(state);
    expect(lines.slice(0, 32)).toEqual([
      'no acl 0',
      'no acl 1',
      'no acl 2',
      'no acl 3',
      'acl 3 permit 10.0.0.0 255.0.0.0',
      'acl 3 deny 2001:db8::1/128',
      ...[4, 5, 6, 7, 8, 9].map((list) => `no acl ${list}`),
      'no ascii',
      'blacklist 30',
      'client_acl 0',
      'control_acl 0',
      'debug 0',
      'no hash',
      'no roundrobin',
      'server 0 acl 0 address 127.0.0.1 port 20001 max 0 hard 0 weight 0 prio 0',
      'server 2 acl 0 address /run/www port 1 max 5 hard 7 weight 3 prio 2',
      'no stubborn',
      'tcp_fastclose off',
      'no tcp_nodelay',
      'timeout 3',
      'tracking 0',
      'no weight',
      'no prio',
      'no leastconn',
      'clients_max 0',
      'client_prefix 128',
      'source_max auto',
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
