/** Lines that nobody should send, straight into a controller over real tables. SEED=n repeats; PEN_LONG=1 sends 1,000,000. */
import { isIP } from 'node:net';
import { expect, test } from 'vitest';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, endpointText, KIND_IPV4, KIND_UNIX } from '../base/endpoint.ts';
import { Prng } from '../base/prng.ts';
import { hostText } from '../config/address.ts';
import { wholeOf } from '../config/command.ts';
import { COMMANDS } from '../config/commands.ts';
import { LATER_WORDS } from '../config/commands/later.ts';
import { ConfigError, EMPTY_CONFIGURATION, limitsOf, serverAt, type Configuration } from '../config/model.ts';
import { CLIENTS_MAX, CONNECTIONS_MAX } from '../table/limits.ts';
import { configAt, currentVersion, rowsUsed } from '../table/publish.ts';
import { createTables, openTables } from '../table/tables.ts';
import { controlledBalancer } from './actions.ts';
import { Controller } from './controller.ts';
import { tableFacts } from './facts.ts';
import { FIRST_SERVER_ROW, publish } from './publisher.ts';

const isLong = process.env['PEN_LONG'] !== undefined;
const LINES = isLong ? 1_000_000 : 20_000;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
/** After so many lines everything is new, so that servers and lists do not grow without end. */
const EPISODE = 5000;

const LISTENERS = [{ fd: 17 as Fd, endpoint: new Uint8Array(ENDPOINT_SIZE) }];
const LIMITS = { descriptorMax: 960 };
const START: Configuration = {
  ...EMPTY_CONFIGURATION,
  servers: [serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 80 })],
};

const NAMES = [...COMMANDS.map(({ name }) => name), ...LATER_WORDS, 'no', 'constructor', '__proto__', 'EXIT'];
const WORDS = [
  ...COMMANDS.flatMap(({ parameters }) => parameters.flatMap(({ words }) => words)),
  '0',
  '1',
  '9',
  '10',
  '-1',
  '-0',
  '+1',
  '1e3',
  '0x10',
  '1.5',
  '65535',
  '65536',
  '131072',
  '131073',
  '4194303',
  '2147483647',
  '2147483648',
  '4294967296',
  '99999999999',
  '9'.repeat(400),
  'NaN',
  'Infinity',
  '٣',
  '',
  '127.0.0.1',
  '0.0.0.0',
  '256.1.1.1',
  '1.2.3',
  '::',
  '::1',
  '[::1]',
  '[::1]:80',
  '::ffff:1.2.3.4',
  'fe80::1%2',
  'fe80::1%eth0',
  '10.0.0.0/8',
  '10.0.0.0/33',
  '2001::/16',
  '::/0',
  '::/129',
  '//',
  '/',
  '/run/x',
  `/${'x'.repeat(200)}`,
  'www',
  'www:80',
  ':',
  ':80',
  '80:',
  'a:b:c',
  '[',
  ']',
  '[]',
  '[]:1',
  '%',
  'country',
  'SE',
  '\0',
  '\u{1F600}',
  'é',
];

function line(prng: Prng): string {
  if (prng.chance(1, 20)) return noise(prng);
  const words = [pick(prng, NAMES)];
  if (prng.chance(1, 4)) words.unshift('no');
  if (words.at(-1) === 'server') words.push(prng.chance(1, 2000) ? '65531' : String(prng.below(6)));
  if (words.at(-1) === 'acl') words.push(String(prng.below(11)), prng.chance(1, 2) ? 'permit' : 'deny');
  while (prng.chance(2, 3)) words.push(pick(prng, WORDS));
  const text = words.join(prng.chance(1, 9) ? ' \t ' : ' ');
  return prng.chance(1, 10) ? mutate(prng, text) : text;
}

function pick<T>(prng: Prng, from: readonly T[]): T {
  return from[prng.below(from.length)]!;
}

function noise(prng: Prng): string {
  const length = prng.skewed(2000);
  return Array.from({ length }, () =>
    String.fromCharCode(prng.chance(1, 2) ? prng.below(128) : prng.below(65536)),
  ).join('');
}

function mutate(prng: Prng, text: string): string {
  const at = prng.below(text.length + 1);
  const part = pick(prng, [' ', '\t', '\r', '\n', '\0', '#', 'no ', 'x', text, text.slice(at)]);
  return text.slice(0, at) + part + text.slice(at + prng.below(3));
}

/** A controller over tables of its own. */
function stage() {
  const tables = openTables(createTables());
  let configuration = START;
  publish(tables, configuration, LISTENERS, LIMITS);
  const balancer = {
    tables,
    get configuration() {
      return configuration;
    },
    apply: (next: Configuration) => {
      if (next !== configuration) publish(tables, next, LISTENERS, LIMITS, configuration);
      configuration = next;
      return Promise.resolve();
    },
    // As the worker does when it is woken.
    wake: (worker: number) => void (tables.workers.closeRequest[worker] = 0),
  };
  tables.workers.slotEnd[0] = 64;
  const controller = new Controller({
    controlled: controlledBalancer(balancer, { nowMs: () => 1_000_000, exit: () => undefined }),
    facts: tableFacts({ tables, pid: 1, nowMs: () => 1_000_000, connMax: () => 500 }),
    lookUp: (host, where) => {
      if (host === 'www') return Promise.resolve({ kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 1), port: 0 });
      if (isIP(host) !== 0 || !/^[\p{L}\p{M}\p{N}_.-]+$/u.test(host))
        throw new Error(`nonsense was looked up: ${host}`);
      return Promise.reject(new ConfigError(where, 'nobody knows the name'));
    },
    servicePort: () => undefined,
    say: () => undefined,
  });
  return { tables, controller };
}

/** The state is one that a person could have meant, and the tables say the same. */
function expectSound({ tables, controller }: ReturnType<typeof stage>, after: string): void {
  const { servers, settings, acls, listen } = controller.configuration;
  const bank = configAt(tables, currentVersion(tables));
  const problems: string[] = [];
  const check = (isFine: boolean, what: string): void => void (isFine || problems.push(what));
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number') check(Number.isInteger(value) && value >= 0 && value <= CLIENTS_MAX * 4, name);
  }
  check(settings.connMax <= CONNECTIONS_MAX && settings.timeout >= 1, 'limits');
  check(acls.length === 10 && servers.at(-1) !== undefined, 'lists');
  check(listen === undefined || typeof listen.text === 'string', 'listen');
  check(rowsUsed(tables, 'servers') === FIRST_SERVER_ROW + servers.length, 'rows of servers');
  check(bank.farms.clientsMax[0] === limitsOf(settings).clientsMax, 'clients_max in the tables');
  const at = servers.length - 1;
  const { endpoint } = servers[at]!;
  const written = endpointText(bank.servers.endpoint, (FIRST_SERVER_ROW + at) * ENDPOINT_SIZE);
  check(written === 'none' || written.includes(hostText(endpoint)), `server ${at} in the tables: ${written}`);
  check(endpoint.kind === KIND_UNIX || (endpoint.port >= 0 && endpoint.port <= 65535), 'port');
  if (problems.length > 0) throw new Error(`SEED=${SEED}: after ${JSON.stringify(after)}: ${problems.join(', ')}`);
}

test(
  `${LINES} lines: an answer each, never a fault, and the state stays sound (SEED=${SEED})`,
  async () => {
    const prng = new Prng(SEED);
    let current = stage();
    let answered = 0;
    for (let i = 0; i < LINES; i++) {
      if (i % EPISODE === 0) current = stage();
      const text = line(prng);
      try {
        const reply = wholeOf(await current.controller.execute(text));
        if (reply !== '' && !/[\n]$/.test(reply)) throw new Error(`an answer without line end: ${reply}`);
        if (reply !== '') answered++;
      } catch (error) {
        throw new Error(`SEED=${SEED}, line ${i}: ${JSON.stringify(text)}`, { cause: error });
      }
      if (i % 7 === 0) expectSound(current, text);
    }
    expect(answered).toBeGreaterThan(LINES / 10);
  },
  isLong ? 3_600_000 : 60_000,
);
