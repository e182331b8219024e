import { describe, expect, test } from 'vitest';
import { jsonError, jsonOf, tellList, tellRow, textOf, wholeOf, type Answer, type Reply, type Row } from './answer.ts';
import { idleFacts, type Facts } from './command.ts';
import { applyCommand, COMMANDS } from './commands.ts';
import { EMPTY_FARM } from './farms.ts';
import { EMPTY_CONFIGURATION, serverAt, UNSET_SERVER } from './model.ts';
import { PROCESS_FIELDS, type ProcessRow } from './process-row.ts';
import { NO_SERVER_FACTS, unusedConnection } from './rows.ts';

const wholeJson = (answer: Reply): string => wholeOf(jsonOf(answer));

/** What a hostile peer, or a person, may have put into a name. */
const HOSTILE = 'a"b\\c</td><script>&\n\r\t\0\u2028é\ud800';

test('a row is an object on one line', () => {
  const answer = tellRow({ one: 1, two: HOSTILE, three: true }, 'text\n');
  expect(textOf(answer)).toBe('text\n');
  expect(wholeJson(answer)).toMatch(/^[^\n]*\n$/);
  expect(JSON.parse(wholeJson(answer))).toEqual({ one: 1, two: HOSTILE, three: true });
});

test('a text without data, none at all, and a mistake are objects too', () => {
  expect(JSON.parse(wholeJson('some\nlines\n'))).toEqual({ text: 'some\nlines\n' });
  expect(wholeJson('')).toBe('{}\n');
  expect(JSON.parse(jsonError(HOSTILE))).toEqual({ error: HOSTILE });
});

describe('a list', () => {
  const list = (...pages: number[][]): Answer =>
    tellList(
      'rows',
      () => pages.map((page) => page.map((n) => ({ n }))),
      ({ n }) => `${n}\n`,
    );

  test.each<[number[][], string]>([
    [[], '{"rows":[\n]}\n'],
    [[[]], '{"rows":[\n]}\n'],
    [[[1]], '{"rows":[\n{"n":1}\n]}\n'],
    [[[], [1, 2], [], [3], []], '{"rows":[\n{"n":1},\n{"n":2},\n{"n":3}\n]}\n'],
  ])('%j is one document, a row on each line', (pages, json) => {
    expect(wholeJson(list(...pages))).toBe(json);
    expect(wholeOf(textOf(list(...pages)))).toBe(
      pages
        .flat()
        .map((n) => `${n}\n`)
        .join(''),
    );
  });

  test('is made as far as it is asked for', () => {
    let made = 0;
    const endless = tellList(
      'rows',
      function* () {
        for (;;) yield [{ n: made++ }];
      },
      String,
    );
    const pieces = jsonOf(endless);
    if (typeof pieces === 'string') throw new Error('it came as a whole');
    expect([pieces.next().value, pieces.next().value, pieces.next().value]).toEqual([
      '{"rows":[',
      '\n{"n":0}',
      ',\n{"n":1}',
    ]);
    expect(made).toBe(2);
  });

  test('may follow fields, and other lists', () => {
    const pages = () => [[{ n: 1 }]];
    const answer: Answer = { text: () => '', row: { a: 1, b: 'x' }, lists: { one: pages, two: pages } };
    expect(wholeJson(answer)).toBe('{"a":1,"b":"x","one":[\n{"n":1}\n],"two":[\n{"n":1}\n]}\n');
    expect(JSON.parse(wholeJson(answer))).toEqual({ a: 1, b: 'x', one: [{ n: 1 }], two: [{ n: 1 }] });
  });
});

/** A balancer that has one of each, named by hostile people. */
const zeros = Object.fromEntries(Object.keys(PROCESS_FIELDS).map((name) => [name, 0]));
const FACTS: Facts = {
  ...idleFacts(1),
  process: () => ({ localTime: HOSTILE, row: { ...zeros, version: HOSTILE } as unknown as ProcessRow }),
  servers: () => () => NO_SERVER_FACTS,
  clients: () => [[{ client: 0, address: HOSTILE, age: 1, server: 0, connects: 1, sent: 1, received: 1 }]],
  connection: (number) => ({ ...unusedConnection(number), state: 2, address: HOSTILE }),
  connections: () => [5],
};
const STATE = {
  ...EMPTY_CONFIGURATION,
  servers: [UNSET_SERVER],
  emergency: serverAt({ kind: 1, path: `/${HOSTILE}` }),
  farms: new Map([['web', EMPTY_FARM]]),
};

const queries = COMMANDS.filter(({ told }) => told !== undefined);

test.each(queries.map((command) => [command.name, command] as const))(
  '%s tells in JSON what it says that it tells, no more and no less',
  (name, { told }) => {
    const { reply } = applyCommand(STATE, name, '', { facts: FACTS, hosts: new Map(), servicePort: () => undefined });
    const data = JSON.parse(wholeJson(reply)) as Record<string, unknown>;
    const { fields = {}, lists = {} } = told ?? {};
    expect(Object.keys(data).sort()).toEqual([...Object.keys(fields), ...Object.keys(lists)].sort());
    for (const [list, of] of Object.entries(lists)) {
      const rows = data[list] as Row[];
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(Object.keys(row).sort()).toEqual(Object.keys(of).sort());
    }
    for (const { help, unit } of Object.values(fields)) expect(`${help}${unit}`).not.toMatch(/[|\n]|\.$/);
  },
);

test('every command that tells something when nothing else is said has data', () => {
  const idle = { facts: FACTS, hosts: new Map(), servicePort: () => undefined };
  const replyTo = (name: string): unknown => {
    try {
      return applyCommand(STATE, name, '', idle).reply;
    } catch {
      return ''; // it needs a word
    }
  };
  const without = COMMANDS.filter(({ name, told }) => !told && replyTo(name) !== '').map(({ name }) => name);
  expect(without.sort()).toEqual(['close', 'exit', 'help', 'tcp_fastclose']);
});
