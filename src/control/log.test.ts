/** A log between the rings of workers and a target: what it takes, when, and what it tells of what is lost. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { EMPTY_CONFIGURATION, type Configuration } from '../config/model.ts';
import { openRecordRing } from '../table/records.ts';
import { createRequestRing, PEER_WORDS, writeRequest } from '../table/requests.ts';
import { NO_ROWS } from './farm-rows.ts';
import { Log } from './log.ts';
import { RequestLines } from './request-lines.ts';

const TICK_MS = 2;
const PEERS = new Uint32Array(PEER_WORDS);

/** With a log that goes to this port, or none. */
function logged(port?: number): Configuration {
  const endpoint =
    port === undefined ? undefined : ({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port } as const);
  const log = endpoint && { text: `127.0.0.1:${port}`, endpoint };
  return { ...EMPTY_CONFIGURATION, settings: { ...EMPTY_CONFIGURATION.settings, log } };
}

/** A log of some workers; its targets are those of a host that takes datagrams, or loses them. */
function stage({ isLossy = false, workers = 1 } = {}) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let nowMs = 0;
  const told: string[] = [];
  const sent: string[] = [];
  let open = 0;
  const send = (bytes: Uint8Array, ends: Uint32Array): number => {
    sent.push(...Buffer.from(bytes).toString().split('\n').slice(0, -1));
    return isLossy ? ends.length : 0;
  };
  const openDatagrams = () => ({ send, close: () => void open--, opened: open++ });
  const kind = { command: 'log', key: 'log', createRing: createRequestRing, lines: new RequestLines() } as const;
  const say = (text: string): void => void told.push(text);
  const log = new Log(kind, { host: { openDatagrams }, workers, say, nowMs: () => nowMs, wallMs: () => nowMs });
  const rings = log.memory.map(openRecordRing);
  const follow = (configuration: Configuration): void => log.follow(configuration, NO_ROWS, log.open(configuration));
  const hear = (text: string, worker = 0): void => {
    const ring = rings[worker]!;
    const bytes = Buffer.from(text);
    writeRequest(ring, nowMs, 0, PEERS, 0, bytes, 0, bytes.length, 1000);
    ring.publish();
  };
  /** Lets time pass, and what waits for it happen. */
  const sleep = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      nowMs += TICK_MS;
      await vi.advanceTimersByTimeAsync(TICK_MS);
    }
  };
  const texts = (): string[] => sent.map((line) => line.split(' ').slice(3).join(' '));
  return { log, follow, hear, sleep, told, texts, open: () => open };
}

test('lines that are lost are told of also while others come without a pause', async () => {
  const { follow, hear, sleep, told } = stage({ isLossy: true });
  follow(logged(1));
  for (let i = 0; i < 100; i++) {
    hear(`request ${i}`);
    await sleep(TICK_MS);
  }
  expect(told.length).toBe(1);
  expect(told[0]).toMatch(/^log: \d+ lines are lost/);
});

test('however often something is changed, records are taken no more often', async () => {
  const { follow, hear, sleep } = stage();
  for (let i = 0; i < 10; i++) {
    follow(logged(1));
    hear(`request ${i}`);
    follow(logged(1));
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
  await sleep(TICK_MS);
});

test('a place that was left before a line went there is closed', async () => {
  const { follow, hear, sleep, open } = stage();
  follow(logged(1));
  hear('request');
  follow(logged(1));
  follow(logged(2));
  follow(logged(3));
  await sleep(20);
  expect(open()).toBe(1);
});

test('what was said before the log is ended is in it, and never in a later one', async () => {
  const { follow, hear, sleep, texts } = stage();
  follow(logged(1));
  await sleep(TICK_MS);
  const all = Array.from({ length: 6000 }, (_, i) => `request ${i}`);
  for (const text of all) hear(text);
  follow(logged());
  await sleep(100);
  expect(texts().length).toBe(all.length);
  follow(logged(2));
  await sleep(100);
  expect(texts()).toEqual(all);
});

test('where there is more than can be taken, each worker has its turn', async () => {
  const { follow, hear, sleep, texts } = stage({ workers: 2 });
  follow(logged(1));
  const count = 5000;
  for (const worker of [0, 1]) for (let i = 0; i < count; i++) hear(`worker ${worker}`, worker);
  await sleep(TICK_MS);
  // What a buffer holds, twice: each began with another worker.
  const first = texts()[0];
  const second = texts()
    .slice(4096)
    .find((text) => text !== first);
  expect(texts()[4096]).toBe(second);
  await sleep(100);
  expect(texts().length).toBe(2 * count);
});
