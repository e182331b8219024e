import { afterEach, describe, expect, test } from 'vitest';
import { Merge, type MergeOptions, type NextLine } from './merge.ts';

const zone = process.env['TZ'];
afterEach(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

const lines = (all: readonly string[]): NextLine => {
  let at = 0;
  return () => all[at++];
};

/** Merges what is given by server. */
function merged(
  pen: readonly string[],
  logs: Readonly<Record<string, readonly string[]>>,
  options: Partial<MergeOptions> = {},
): string[] {
  const output: string[] = [];
  const sources = Object.entries(logs).map(([server, all]) => ({ server, next: lines(all) }));
  const merge = new Merge(lines(pen), sources, { jitter: 600, shift: undefined, ...options }, (line) =>
    output.push(line),
  );
  while (merge.step(3)) continue;
  return output;
}

const START = Date.UTC(2002, 0, 8, 23, 28, 0) / 1000;
/** So many seconds after the start. */
const pen = (client: string, at: number, request: string, server = '10.0.18.6') =>
  `${client} ${START + at} ${server} ${request}`;
const time = (at: number) => {
  const date = new Date((START + at) * 1000);
  return `${date.toUTCString().slice(5, 16).replaceAll(' ', '/')}:${date.toISOString().slice(11, 19)} +0000`;
};
const web = (at: number, request: string, client = '10.0.0.254', rest = '200 1') =>
  `${client} - - [${time(at)}] "${request}" ${rest}`;
const clients = (output: readonly string[]) => output.map((line) => line.slice(0, line.indexOf(' ')));

describe('the examples of the original', () => {
  const record = '1.1.1.1 1010532530 10.0.18.6 GET /robots.txt HTTP/1.0';
  const found = '10.0.0.254 - - [09/Jan/2002:00:28:50 +0100] "GET /robots.txt HTTP/1.0" 404 268 "-" "agent"';
  const lost = '10.0.0.254 - - [09/Jan/2002:00:28:53 +0100] "GET /nomatch HTTP/1.0" 404 268';

  test.each(['UTC', 'Europe/Helsinki', 'America/New_York'])('in %s', (tz) => {
    process.env['TZ'] = tz;
    expect(merged([record], { '10.0.18.6': [found, lost] })).toEqual([
      '1.1.1.1 - - [08/Jan/2002:23:28:50 +0000] "GET /robots.txt HTTP/1.0" 404 268 "-" "agent"',
      '10.0.18.6 - - [08/Jan/2002:23:28:53 +0000] "GET /nomatch HTTP/1.0" 404 268',
    ]);
  });

  test('with -t, which stands for the zone of Pen, scripts that are there mean what they meant', () => {
    process.env['TZ'] = 'Europe/Helsinki';
    expect(clients(merged([record], { '10.0.18.6': [found] }, { jitter: 2, shift: 7200 }))).toEqual(['1.1.1.1']);
    expect(clients(merged([record], { '10.0.18.6': [found] }, { jitter: 2, shift: 0 }))).toEqual(['10.0.18.6']);
    process.env['TZ'] = 'UTC';
    const ahead = record.replace('1010532530', String(1010532530 + 7200));
    expect(clients(merged([ahead], { '10.0.18.6': [found] }, { jitter: 2, shift: 7200 }))).toEqual(['1.1.1.1']);
  });
});

describe('logs of several servers', () => {
  test('come out by time; of equal times the first log counts', () => {
    const output = merged([], { a: [web(1, 'a1'), web(3, 'a3')], b: [web(1, 'b1'), web(2, 'b2'), web(9, 'b9')] });
    expect(output.map((line) => /"(.*)"/.exec(line)?.[1])).toEqual(['a1', 'b1', 'b2', 'a3', 'b9']);
  });

  test('in different zones, too', () => {
    const early = '1.1.1.1 - - [09/Jan/2002:09:00:00 +0900] "early" 1';
    const late = '1.1.1.1 - - [08/Jan/2002:20:00:00 -0500] "late" 1';
    expect(merged([], { a: [late], b: [early] }).map((line) => line.slice(0, 42))).toEqual([
      'b - - [09/Jan/2002:00:00:00 +0000] "early"',
      'a - - [09/Jan/2002:01:00:00 +0000] "late" ',
    ]);
  });

  test('are told apart by the server', () => {
    const records = [pen('1.1.1.1', 0, 'GET /', 'a'), pen('2.2.2.2', 0, 'GET /', 'b')];
    expect(clients(merged(records, { a: [web(0, 'GET /')], b: [web(0, 'GET /')] }))).toEqual(['1.1.1.1', '2.2.2.2']);
  });

  test('of IPv6 servers are found however their addresses are written', () => {
    const records = [pen('2001:db8::1', 0, 'GET /', '2001:DB8:0::6')];
    expect(clients(merged(records, { '2001:db8::6': [web(0, 'GET /')] }))).toEqual(['2001:db8::1']);
  });
});

describe('the client', () => {
  const one = (records: readonly string[], all: readonly string[], options?: Partial<MergeOptions>) =>
    clients(merged(records, { '10.0.18.6': all }, options));

  test('of the same request at once is each once', () => {
    const records = [pen('1.1.1.1', 0, 'GET /'), pen('2.2.2.2', 0, 'GET /'), pen('3.3.3.3', 1, 'GET /')];
    expect(one(records, [web(0, 'GET /'), web(1, 'GET /'), web(1, 'GET /')])).toEqual([
      '1.1.1.1',
      '2.2.2.2',
      '3.3.3.3',
    ]);
  });

  test('of a request that Pen has told of once, and the server twice, is the same', () => {
    expect(one([pen('1.1.1.1', 0, 'GET /')], [web(0, 'GET /'), web(1, 'GET /')])).toEqual(['1.1.1.1', '1.1.1.1']);
  });

  test('of a request that took minutes is found, although others ask for the same meanwhile', () => {
    const records = [pen('1.1.1.1', 0, 'GET /big'), pen('2.2.2.2', 200, 'GET /big'), pen('3.3.3.3', 410, 'GET /big')];
    expect(one(records, [web(201, 'GET /big'), web(400, 'GET /big'), web(411, 'GET /big')])).toEqual([
      '2.2.2.2',
      '1.1.1.1',
      '3.3.3.3',
    ]);
  });

  test('is found for lines with the time of the start, written at the end', () => {
    const records = [pen('1.1.1.1', 0, 'GET /big'), pen('2.2.2.2', 300, 'GET /small')];
    expect(one(records, [web(300, 'GET /small'), web(0, 'GET /big')], { jitter: 200 })).toEqual(['2.2.2.2', '1.1.1.1']);
  });

  test('is not looked for beyond the jitter, unless there is none', () => {
    const records = [pen('1.1.1.1', 0, 'GET /'), pen('2.2.2.2', 1000, 'GET /b')];
    expect(one(records, [web(3, 'GET /'), web(990, 'GET /b')], { jitter: 2 })).toEqual(['10.0.18.6', '10.0.18.6']);
    expect(one(records, [web(3, 'GET /'), web(990, 'GET /b')], { jitter: Infinity })).toEqual(['1.1.1.1', '2.2.2.2']);
  });

  test('is found for long requests by what Pen keeps of them', () => {
    const long = `GET /${'x'.repeat(200)}`;
    expect(one([pen('1.1.1.1', 0, long.slice(0, 100))], [web(0, `${long} HTTP/1.1`)])).toEqual(['1.1.1.1']);
    expect(one([pen('1.1.1.1', 0, long.slice(0, 99))], [web(0, long)])).toEqual(['10.0.18.6']);
  });

  test('is found for requests that the server has escaped', () => {
    const records = [pen('1.1.1.1', 0, 'GET /a"b\\ HTTP/1.0'), pen('2.2.2.2', 0, 'GET /... HTTP/1.0')];
    const escaped = [web(0, 'GET /a\\x22b\\x5C HTTP/1.0'), web(0, 'GET /\\xC3\\xA4\\x01 HTTP/1.0')];
    expect(one(records, escaped)).toEqual(['1.1.1.1', '2.2.2.2']);
  });

  test('is found behind a gap, and with lines in the log of Pen that are none', () => {
    const records = [
      '',
      'nonsense',
      ...Array.from({ length: 50 }, (_, at) => pen('9.9.9.9', at, 'x')),
      pen('1.1.1.1', 9000, 'GET /'),
    ];
    expect(one(records, [web(9000, 'GET /')], { jitter: 5 })).toEqual(['1.1.1.1']);
  });
});

describe('lines of another shape', () => {
  const strange = ['', 'junk', '1.1.1.1 - - [x] "GET /" 200', web(5, '')];

  test('stay behind the line before them', () => {
    const output = merged([], { a: [strange[1]!, web(1, 'a1'), ...strange, web(9, 'a9')], b: [web(2, 'b2')] });
    expect(output).toEqual(['junk', web(1, 'a1', 'a'), ...strange, web(2, 'b2', 'b'), web(9, 'a9', 'a')]);
  });

  test('go elsewhere when that is wanted', () => {
    const [output, rejects]: [string[], string[]] = [[], []];
    const log = { server: 'a', next: lines([...strange, web(1, 'a1')]) };
    const options = { jitter: 600, shift: undefined };
    const merge = new Merge(
      lines([]),
      [log],
      options,
      (line) => output.push(line),
      (line) => rejects.push(line),
    );
    while (merge.step(1)) continue;
    expect({ output, rejects }).toEqual({ output: [web(1, 'a1', 'a')], rejects: strange });
    expect(merge.counts).toEqual([{ found: 0, missed: 1, strange: 4 }]);
    expect(merge.step(1)).toBe(false);
  });
});

test('what is remembered is a window', () => {
  let at = 0;
  const records = (): string | undefined => (at < 100_000 ? pen('1.1.1.1', at++, `GET /${at}`) : undefined);
  let now = 0;
  const log = (): string | undefined => (now < 100_000 ? web(now, `GET /${++now}`) : undefined);
  let found = 0;
  const merge = new Merge(records, [{ server: '10.0.18.6', next: log }], { jitter: 10, shift: undefined }, (line) => {
    if (line.startsWith('1.1.1.1 ')) found++;
  });
  let most = 0;
  while (merge.step(1000)) most = Math.max(most, merge.keyCount);
  expect(found).toBe(100_000);
  expect(most).toBeLessThan(40);
});
