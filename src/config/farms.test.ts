import { describe, expect, test } from 'vitest';
import { wholeOf, jsonOf, textOf } from './answer.ts';
import { idleFacts, type Facts } from './command.ts';
import { applyCommand, COMMANDS, type Context } from './commands.ts';
import { FARM_KEYS, FARMS_LIMIT, viewOfFarm } from './farms.ts';
import { EMPTY_CONFIGURATION, NoRoom, type Configuration } from './model.ts';
import type { ProcessRow } from './process-row.ts';
import { unusedConnection } from './rows.ts';

const CONTEXT: Context = { facts: idleFacts(1), hosts: new Map(), servicePort: () => undefined };

function after(state: Configuration, ...lines: readonly string[]): Configuration {
  return lines.reduce((before, line) => applyCommand(before, line, 'f:1', CONTEXT).state, state);
}

function said(...lines: readonly string[]): Configuration {
  return after(EMPTY_CONFIGURATION, ...lines);
}

const SERVER = 'server 0 address 10.0.0.1 port 80';

test('a command said of a farm changes that one alone', () => {
  const { farms, ...rest } = said('farm web blacklist 7', `farm web ${SERVER}`, 'farm mail no hash', 'farm mail hash');
  expect({ ...rest, farms: new Map() }).toEqual(EMPTY_CONFIGURATION);
  expect([...farms.keys()]).toEqual(['web', 'mail']);
  expect(farms.get('web')).toMatchObject({ settings: { blacklist: 7, hash: 'off' }, servers: [{ max: 0 }] });
  expect(farms.get('mail')).toMatchObject({ settings: { blacklist: 30, hash: 'spread' }, servers: [] });
});

test('nothing is inherited, and the unnamed farm is what it is without others', () => {
  const state = said('blacklist 5', 'stubborn', SERVER, 'farm web');
  expect(state).toEqual({ ...said('blacklist 5', 'stubborn', SERVER), farms: state.farms });
  expect(state.farms.get('web')).toMatchObject({ settings: { blacklist: 30, stubborn: false }, servers: [] });
});

test('a farm that is as it was stays the very same object', () => {
  const before = said('farm web blacklist 7', `farm web ${SERVER}`, 'farm mail');
  const then = after(before, 'farm web blacklist 7', 'farm web', 'farm mail stubborn');
  expect(then.farms.get('web')).toBe(before.farms.get('web'));
  expect(after(before, 'farm web blacklist 7').farms).toBe(before.farms);
  expect(before.farms.get('mail')?.settings.stubborn).toBe(false);
});

test('who looks at a farm sees no other one', () => {
  const view = viewOfFarm(said('stubborn', 'farm web blacklist 7', 'farm mail'), 'web');
  expect(view).toMatchObject({ settings: { blacklist: 7, stubborn: false }, farms: new Map() });
  expect(view.farms.size).toBe(0);
});

test('close of a farm ends none of another one', () => {
  const facts: Facts = { ...CONTEXT.facts, connection: (number) => ({ ...unusedConnection(number), state: number }) };
  const context = { ...CONTEXT, facts: { ...facts, farm: () => ({ ...facts, connection: unusedConnection }) } };
  const actionsOf = (line: string): unknown => applyCommand(said('farm web'), line, '', context).actions;
  expect(actionsOf('close 2')).toEqual([{ kind: 'close', connection: 2 }]);
  expect(actionsOf('farm web close 2')).toEqual([]);
});

test('no farm takes one away', () => {
  expect([...said('farm web', 'farm mail', 'no farm web').farms.keys()]).toEqual(['mail']);
});

test.each([
  ['farm', "f:1 'farm': write the name of a farm after it, as in farm web"],
  ['no farm', "f:1 'no farm': write the name of a farm after it, as in farm web"],
  ['no farm web', "f:1 'no farm': there is no farm 'web'; 'farms' lists them"],
  ['farm web tracking', "f:1 'farm': there is no farm 'web'; 'farms' lists them"],
  ['farm web server 0 blacklist 5', "f:1 'farm': there is no farm 'web'; 'farms' lists them"],
  ['farm .web', /^f:1 'farm': '\.web' is no name of a farm; it has letters, digits, _, \. and -, at most 63/],
  ['farm a/b hash', /^f:1 'farm': 'a\/b' is no name of a farm/],
  ['farm "" hash', "f:1 'farm': '' is no name of a farm"],
  ['farm "a hash" hash', "f:1 'farm': 'a hash' is no name of a farm"],
  [`farm ${'x'.repeat(64)} hash`, /is no name of a farm/],
  [
    'farm web conn_max 9',
    "f:1 'conn_max': is about the whole process; say it without farm web, in a file before the first farm",
  ],
  ['farm web farm mail', /^f:1 'farm': is about the whole process; say it without farm web/],
  ['farm web farm mail hash', /^f:1 'farm': is about the whole process/],
  ['farm web no farm mail', /^f:1 'no farm': is about the whole process/],
  ['farm web acl 1 permit unix', /is about the whole process/],
  ['farm web fly', "f:1 'fly': there is no such command; 'help' lists them"],
  ['farm web blacklist x', "f:1 'blacklist': 'x' is not a whole number from 0 to 10000000"],
])('%j is refused', (line, message) => {
  expect(() => said(line)).toThrow(message);
});

test('names may be short, long, and begin with a digit', () => {
  const names = ['w', '9', 'x'.repeat(63), 'a_b.c-d', 'no', 'constructor'];
  expect([...said(...names.map((name) => `farm ${name} hash`)).farms.keys()]).toEqual(names);
});

test('there is room for 255 farms with names', () => {
  const full = said(...Array.from({ length: FARMS_LIMIT }, (_, i) => `farm f${i}`));
  expect(full.farms.size).toBe(255);
  for (const line of ['farm more', 'farm more hash']) {
    expect(() => after(full, line)).toThrow("f:1 'farm': there is room for 255 farms with names, not for 256");
    expect(() => after(full, line)).toThrow(NoRoom);
  }
  expect(after(full, 'farm f7', 'farm f7 hash').farms.size).toBe(255);
});

test('a server that is passed over is that of the farm', () => {
  const state = said(`farm web ${SERVER}`);
  const { actions } = applyCommand(state, 'farm web server 0 blacklist 5', '', CONTEXT);
  expect(actions).toEqual([{ kind: 'blacklist', farm: 'web', server: 0, seconds: 5 }]);
  expect(applyCommand(said(SERVER), 'server 0 blacklist 5', '', CONTEXT).actions).toEqual([
    { kind: 'blacklist', server: 0, seconds: 5 },
  ]);
});

test('a server without a port has that of the listener of its farm', () => {
  const ports = new Map([['web', '8080']]);
  const context = { ...CONTEXT, listenPort: (farm: string) => ports.get(farm) };
  const line = 'server 0 address 10.0.0.1';
  const { state } = applyCommand(EMPTY_CONFIGURATION, `farm web ${line}`, '', context);
  expect(state.farms.get('web')?.servers[0]?.endpoint).toMatchObject({ port: 8080 });
  expect(() => applyCommand(state, line, '', context)).toThrow('needs a port');
});

test('each command that sets something of a farm can be said of one, and no other', () => {
  const words = ['1', 'max', '1'];
  const ownOf = (name: string): boolean[] =>
    (COMMANDS.find((command) => command.name === name)?.sets?.(words) ?? []).map((part) =>
      part.of === 'settings'
        ? (FARM_KEYS as readonly string[]).includes(part.key)
        : ['servers', 'listen', 'emergency', 'abuse'].includes(part.of),
    );
  const wrong = COMMANDS.filter(({ name, scope }) => ownOf(name).some((isOwn) => isOwn !== (scope === 'farm')));
  expect(wrong.map(({ name }) => name)).toEqual([]);
  const settable = COMMANDS.filter(({ scope }) => scope === 'farm').flatMap(({ sets }) => sets?.(words) ?? []);
  expect(new Set(settable.flatMap((part) => (part.of === 'settings' ? [part.key] : [])))).toEqual(new Set(FARM_KEYS));
});

test('status has the list of farms, where there are any', () => {
  const facts = tellingFacts();
  const listsOf = (state: Configuration, line: string): string[] =>
    Object.keys(JSON.parse(wholeOf(jsonOf(applyCommand(state, line, '', { ...CONTEXT, facts }).reply))) as object);
  const state = said('farm web blacklist 7');
  expect(listsOf(state, 'status')).toContain('farms');
  expect(listsOf(state, 'farm web status')).not.toContain('farms');
  expect(listsOf(said('blacklist 7'), 'status')).not.toContain('farms');
});

/** As if a balancer ran. */
function tellingFacts(): Facts {
  const process = (): ReturnType<Facts['process']> => ({ localTime: '', row: {} as unknown as ProcessRow });
  const facts: Facts = { ...CONTEXT.facts, process, farm: () => facts };
  return facts;
}

describe('farms', () => {
  const facts = (clients: number, connections: number): Facts => ({
    ...idleFacts(1),
    clients: () => [Array.from({ length: clients }, () => ({})), []] as unknown as ReturnType<Facts['clients']>,
    connectionCount: () => connections,
  });
  const known = { ...facts(1, 2), farm: () => facts(3, 4) };
  const state = said('listen 80', `farm web ${SERVER}`, 'farm web server 1 max 5', 'farm web listen 81 82', 'farm new');
  const { reply } = applyCommand(state, 'farms', '', { ...CONTEXT, facts: known });

  test('are told line by line, the unnamed one first', () => {
    expect(wholeOf(textOf(reply))).toBe(
      `"" servers 0 connections 2 clients 1 listen 80
web servers 1 connections 4 clients 3 listen 81 82
new servers 0 connections 4 clients 3
`,
    );
  });

  test('are told as data', () => {
    expect(JSON.parse(wholeOf(jsonOf(reply)))).toEqual({
      farms: [
        { name: '', listen: '80', servers: 0, connections: 2, clients: 1 },
        { name: 'web', listen: '81 82', servers: 1, connections: 4, clients: 3 },
        { name: 'new', listen: '', servers: 0, connections: 4, clients: 3 },
      ],
    });
  });
});
