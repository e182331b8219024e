import { describe, expect, test } from 'vitest';
import { KIND_IPV4, type Endpoint } from '../base/endpoint.ts';
import { wholeOf } from '../config/answer.ts';
import { idleFacts, type Action } from '../config/command.ts';
import { ConfigError, EMPTY_CONFIGURATION, serverAt, type Configuration } from '../config/model.ts';
import { Controller, type ControllerOptions } from './controller.ts';

const WWW = { kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 7), port: 0 } as const;

/** A controller of something that notes what is done with it. */
function stage(options: Partial<ControllerOptions> & { apply?: (next: Configuration) => Promise<void> } = {}) {
  const actions: Action[] = [];
  const said: string[] = [];
  let configuration: Configuration = { ...EMPTY_CONFIGURATION, servers: [serverAt({ ...WWW, port: 80 })] };
  const controlled = {
    get configuration() {
      return configuration;
    },
    apply: async (next: Configuration) => {
      await options.apply?.(next);
      configuration = next;
    },
    prepare: async (next: Configuration) =>
      Promise.resolve({ notices: [], commit: async () => controlled.apply(next) }),
    act: (action: Action) => {
      actions.push(action);
      return Promise.resolve();
    },
  };
  const controller = new Controller({
    controlled,
    facts: idleFacts(1),
    lookUp: () => Promise.resolve(WWW),
    servicePort: () => undefined,
    say: (text) => said.push(text),
    ...options,
  });
  return { controller, actions, said };
}

describe('one line', () => {
  test.each([
    ['mode', 'no hash no roundrobin no stubborn no weight no prio\n'],
    ['EXIT', "do_cmd: ignoring command starting with 'EXIT'\n"],
    ['block now', "do_cmd: ignoring command starting with 'block'\n"],
    ['no such', ''],
    ['no', ''],
    ['no timeout', ''],
    ['', ''],
    ['# timeout 7', ''],
    ['http', 'http: not in this version yet\n'],
    ['no http', ''],
    ['no log', ''],
    ['no transparent', ''],
    ['no ssl_sni_path', ''],
    ['--json no http', '{}\n'],
    ['blacklist abc', '30\n'],
    ['workers 4', '1\n'],
    ['workers 1', '1\n'],
    ['uring', 'uring: is settled at the start; options and the file of -F can say it for the next one\n'],
    ['epoll', ''],
    ['poll', ''],
    ['idle_timeout -5', 'Idle timeout: 0 seconds\n'],
    ['server 0 max many', "server: max: 'many' is not a whole number from 0 to 2147483647\n"],
    ['acl 10 permit 10.0.0.1', "acl: '10' is not a whole number from 0 to 9\n"],
    ['tcp_fastclose sideways', "tcp_fastclose: 'sideways' is not one of off, up, down, both\n"],
  ])('%j answers %j', async (line, reply) => {
    const { controller } = stage();
    expect(await controller.execute(line)).toBe(reply);
  });

  test('changes what is in force, and the next one sees it', async () => {
    const { controller, actions } = stage();
    expect(await controller.execute('blacklist 7')).toBe('7\n');
    expect(await controller.execute('server 0 blacklist 5 max 3')).toBe('');
    expect(controller.configuration.settings.blacklist).toBe(7);
    expect(controller.configuration.servers[0]?.max).toBe(3);
    expect(actions).toEqual([{ kind: 'blacklist', server: 0, seconds: 5 }]);
  });
});

test.each([
  ['connection 999999', 'Connection 999999 out of range'],
  ['close -5', 'Connection -5 out of range'],
  ['tcp_fastclose', 'do_cmd: ignoring tcp_fastclose without argument'],
  ['exit', 'Exit is not enabled; restart with -X flag'],
  ['status', 'Unable to create webstats'],
])('%j is a mistake also in JSON', async (line, message) => {
  const { controller, actions } = stage();
  expect(await controller.execute(line)).toBe(`${message}\n`);
  expect(await controller.execute(`--json ${line}`)).toBe(`${JSON.stringify({ error: message })}\n`);
  expect(actions).toEqual([]);
});

describe('what a peer says breaks no line of an answer', () => {
  const HOSTILE = '/tmp/\u001b[2J\nFORGED\0\u007f\u009b\u2028';
  const REASON = 'has control characters in it, which no path or address may have';

  test.each([
    `server 1 address ${JSON.stringify(HOSTILE)}`,
    `server 1 address ${JSON.stringify('fe80::1%1%\nFORGED')}`,
    `listen ${JSON.stringify(HOSTILE)}`,
    `listen ${JSON.stringify('[fe80::1%1%\nFORGED]:80')}`,
    `emergency ${JSON.stringify(HOSTILE)}`,
    `abuse ${JSON.stringify('[fe80::1%1%\u001b]:80')}`,
    `source ${JSON.stringify(HOSTILE)}`,
    `web_stats ${JSON.stringify(HOSTILE)}`,
    `web_stats "/tmp/\u009b2J"`,
    `geoip ${JSON.stringify(HOSTILE)}`,
  ])('%j is refused', async (line) => {
    const { controller } = stage();
    const before = controller.configuration;
    expect(JSON.parse(wholeOf(await controller.execute(`--json ${line}`)))).toEqual({
      error: expect.stringContaining(REASON) as string,
    });
    expect(wholeOf(await controller.execute(line))).toMatch(/^[^\p{Cc}\p{Zl}]*\n?$/u);
    expect(controller.configuration).toBe(before);
  });

  test.each([JSON.stringify(HOSTILE), '\u001b[2J\u009b\0'])(
    'no command %j, and the answer shows what it was',
    async (word) => {
      const { controller } = stage();
      expect(await controller.execute(word)).toMatch(/^do_cmd: ignoring command starting with '[^\p{Cc}\p{Zl}]*'\n$/u);
      expect(await controller.execute(`--json no ${word}`)).toMatch(/^\{"error":"[^\p{Cc}\p{Zl}]*"\}\n$/u);
    },
  );
});

describe('farms', () => {
  const answers = async (...lines: readonly string[]): Promise<readonly (readonly [string, string])[]> => {
    const { controller } = stage();
    const told: (readonly [string, string])[] = [];
    for (const line of lines) told.push([line, wholeOf(await controller.execute(line))]);
    return told;
  };

  test('answer as if each were the only one', async () => {
    const told = await answers(
      'farm web',
      'blacklist 5',
      'farm web blacklist',
      'farm web blacklist 7',
      'farm web blacklist x',
      'farm web emergency 10.0.0.9:80',
      'farm web emergency ::',
      'farm web server 0 address www port 81',
      'farm web mode',
      'emergency',
      'blacklist',
      '--json farm web blacklist',
      'no farm web',
    );
    expect(told.map(([, reply]) => reply)).toEqual([
      '',
      '5\n',
      '30\n',
      '7\n',
      '7\n',
      '10.0.0.9:80:0:0:0:0\n',
      '10.0.0.9:80:0:0:0:0\n',
      '',
      'no hash no roundrobin no stubborn no weight no prio\n',
      '',
      '5\n',
      '{"blacklist":7}\n',
      '',
    ]);
  });

  test.each([
    ['farm web tracking', "farm: there is no farm 'web'; 'farms' lists them"],
    ['farm web tracking x', "tracking: 'x' is not a whole number from 0 to 10000000"],
    ['no farm web', "no farm: there is no farm 'web'; 'farms' lists them"],
    [
      'farm here conn_max 9',
      'conn_max: is about the whole process; say it without farm here, in a file before the first farm',
    ],
    [
      'farm here reload',
      'reload: is about the whole process; say it without farm here, in a file before the first farm',
    ],
    [
      'farm here source nobody',
      'source: is about the whole process; say it without farm here, in a file before the first farm',
    ],
  ])('%j is told what is wrong, and not what is elsewhere', async (line, message) => {
    const { controller } = stage();
    await controller.execute('farm here');
    const before = controller.configuration;
    expect(await controller.execute(line)).toBe(`${message}\n`);
    expect(controller.configuration).toBe(before);
  });

  test('tell what they know by themselves, and pass over servers of their own', async () => {
    const inFarm = { ...idleFacts(1), connectionOf: () => 7 };
    const { controller, actions } = stage({ facts: { ...idleFacts(1), farm: () => inFarm } });
    await controller.execute('farm web server 0 address 10.0.0.1 port 80');
    expect(await controller.execute('farm web socket 3')).toBe('Socket 3 belongs to connection 7\n');
    expect(await controller.execute('socket 3')).toBe('Socket 3 belongs to connection -1\n');
    await controller.execute('farm web server 0 blacklist 5');
    expect(actions).toEqual([{ kind: 'blacklist', farm: 'web', server: 0, seconds: 5 }]);
  });

  test('are told the port that the system chose for them', async () => {
    const { controller } = stage({ apply: () => Promise.resolve() });
    expect(await controller.execute('farm web listen 127.0.0.1:0')).toBe('127.0.0.1:0\n');
    expect(await controller.execute('farm web listen')).toBe('127.0.0.1:0\n');
    expect(await controller.execute('listen')).toBe('');
  });

  test('have files that are obeyed in them', async () => {
    const told: string[] = [];
    const include = async (words: readonly string[], _controller: Controller, farm: string): Promise<string> => {
      told.push(`${farm}: ${words.join(' ')}`);
      return Promise.resolve('');
    };
    const { controller } = stage({ errands: new Map([['include', include]]) });
    await controller.execute('farm web include f');
    await controller.execute('include g');
    expect(told).toEqual(['web: f', ': g']);
  });
});

test('lines run one at a time, in the order in which they came', async () => {
  const applied: number[] = [];
  let running = 0;
  const { controller } = stage({
    apply: async ({ settings }) => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      applied.push(settings.blacklist);
      running--;
    },
  });
  const replies = await Promise.all([1, 2, 3, 4].map(async (n) => controller.execute(`blacklist ${n}`)));
  expect(replies).toEqual(['1\n', '2\n', '3\n', '4\n']);
  expect(applied).toEqual([1, 2, 3, 4]);
});

test('what cannot be put in force changes nothing; a value is answered with the one in force, and why is told', async () => {
  const apply = () => Promise.reject(new ConfigError('conn_max', 'no room'));
  const { controller, said } = stage({ apply });
  expect(await controller.execute('conn_max 600')).toBe('500\n');
  expect(await controller.execute('weight')).toBe('conn_max: no room\n');
  expect(controller.configuration.settings).toEqual(EMPTY_CONFIGURATION.settings);
  expect(said).toEqual(['control: conn_max: no room']);
});

test('why a value was not taken is told to those who debug', async () => {
  const { controller, said } = stage();
  await controller.execute('debug 1');
  expect(await controller.execute('timeout 0')).toBe('3\n');
  expect(said).toEqual(["control: timeout: '0' is not a whole number from 1 to 10000000"]);
});

test("a surprise is the caller's, and the next line runs", async () => {
  let isBroken = true;
  const apply = () => (isBroken ? Promise.reject(new Error('broken')) : Promise.resolve());
  const { controller } = stage({ apply });
  await expect(controller.execute('weight')).rejects.toThrow('broken');
  isBroken = false;
  expect(await controller.execute('weight')).toBe('');
});

describe('names', () => {
  test('are looked up, literal addresses are not', async () => {
    const asked: string[] = [];
    const { controller } = stage({
      lookUp: (host) => {
        asked.push(host);
        return Promise.resolve(WWW);
      },
    });
    await controller.execute('server 0 address www');
    await controller.execute('server 1 address 127.0.0.1 port 81');
    expect(asked).toEqual(['www']);
    expect(controller.configuration.servers[0]?.endpoint).toEqual({ ...WWW, port: 80 });
  });

  test('that are looked up make no other command wait', async () => {
    let found: ((endpoint: Endpoint) => void) | undefined;
    const { controller } = stage({ lookUp: () => new Promise((resolve) => (found = resolve)) });
    const slow = controller.execute('server 0 address www');
    expect(await controller.execute('blacklist 9')).toBe('9\n');
    found?.(WWW);
    expect(await slow).toBe('');
    expect(controller.configuration.settings.blacklist, 'the slow one works on what is in force now').toBe(9);
  });

  test('are asked for once at a time, and few at once', async () => {
    let asked = 0;
    const { controller } = stage({
      lookUp: () => {
        asked++;
        return new Promise(() => undefined);
      },
    });
    for (const name of ['a', 'a', 'b', 'b', 'a']) void controller.execute(`server 0 address ${name}`);
    expect(await controller.execute('server 0 address c')).toBe('server: other names are being looked up; try again\n');
    expect(asked).toBe(2);
  });

  test('that nobody knows change nothing', async () => {
    const { controller } = stage({ lookUp: (host, where) => Promise.reject(new ConfigError(where, `no ${host}`)) });
    expect(await controller.execute('server 0 address www max 4')).toBe('server: no www\n');
    expect(await controller.execute('listen www:80')).toBe('');
    expect(controller.configuration.servers[0]?.max).toBe(0);
  });
});
