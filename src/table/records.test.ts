import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRecordRing, openRecordRing, type RecordRing } from './records.ts';

/** Writes a record of `words` words that all say `value`. */
function put(ring: RecordRing, words: number, value: number): boolean {
  const at = ring.claim(words);
  if (at < 0) return false;
  for (let word = 1; word < words; word++) ring.f64[at + word] = value;
  ring.u32[at * 2 + 1] = value;
  ring.commit(words);
  return true;
}

function taken(ring: RecordRing, max = Infinity): [words: number, value: number][] {
  const records: [number, number][] = [];
  ring.drain((at) => {
    if (records.length >= max) return false;
    const [words, value] = [ring.u32[at * 2], ring.u32[at * 2 + 1]];
    for (let word = 1; word < words; word++) expect(ring.f64[at + word]).toBe(value);
    records.push([words, value]);
    return true;
  });
  return records;
}

function listen(ring: RecordRing): ReturnType<typeof Atomics.waitAsync> {
  const { words, at, value } = ring.bell();
  return Atomics.waitAsync(words, at, value);
}

describe('a ring of records', () => {
  test('hands on what is published, in order, and counts what finds no room', () => {
    const memory = createRecordRing(8);
    const [producer, consumer] = [openRecordRing(memory), openRecordRing(memory)];
    expect([put(producer, 3, 1), put(producer, 2, 2)]).toEqual([true, true]);
    expect(taken(consumer)).toEqual([]);
    producer.publish();
    expect(put(producer, 4, 3)).toBe(false);
    expect(consumer.dropped()).toBe(1);
    expect(taken(consumer)).toEqual([
      [3, 1],
      [2, 2],
    ]);
    producer.miss();
    expect([taken(consumer), consumer.dropped()]).toEqual([[], 2]);
  });

  test('a record does not wrap: what is left at the end is skipped', () => {
    const ring = openRecordRing(createRecordRing(8));
    for (let value = 1; value <= 50; value++) {
      expect(put(ring, 3, value)).toBe(true);
      ring.publish();
      expect(taken(ring)).toEqual([[3, value]]);
    }
    expect(ring.dropped()).toBe(0);
  });

  test('a record may turn out shorter than what was claimed for it', () => {
    const ring = openRecordRing(createRecordRing(16));
    ring.u32[ring.claim(8) * 2 + 1] = 7;
    ring.commit(1);
    ring.publish();
    expect(taken(ring)).toEqual([[1, 7]]);
  });

  test('who takes the place of a producer goes on after what that one published', () => {
    const memory = createRecordRing(16);
    const before = openRecordRing(memory);
    put(before, 3, 1);
    before.publish();
    put(before, 3, 2);
    const after = openRecordRing(memory);
    put(after, 2, 3);
    after.publish();
    expect(taken(openRecordRing(memory))).toEqual([
      [3, 1],
      [2, 3],
    ]);
  });

  test('refuses sizes it cannot have', () => {
    expect(() => createRecordRing(3)).toThrow('power of two');
    expect(() => openRecordRing(createRecordRing(8)).claim(5)).toThrow('half of its ring');
  });

  test('agrees with a bounded queue, whatever is written, published and taken', () => {
    const step = fc.oneof(
      fc.record({ put: fc.integer({ min: 1, max: 8 }) }),
      fc.constant('publish' as const),
      fc.record({ take: fc.integer({ min: 0, max: 5 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const memory = createRecordRing(16);
        const [producer, consumer] = [openRecordRing(memory), openRecordRing(memory)];
        let [value, dropped] = [0, 0];
        let written: [number, number][] = [];
        let published: [number, number][] = [];
        for (const one of steps) {
          if (one === 'publish') {
            producer.publish();
            published = [...published, ...written];
            written = [];
          } else if ('put' in one) {
            value++;
            if (put(producer, one.put, value)) written.push([one.put, value]);
            else dropped++;
          } else {
            const got = taken(consumer, one.take);
            expect(got).toEqual(published.slice(0, one.take));
            published = published.slice(got.length);
          }
        }
        expect(consumer.dropped()).toBe(dropped);
      }),
    );
  });

  test('the consumer is woken by the first record after it has taken all', async () => {
    const memory = createRecordRing(1024);
    const [producer, consumer] = [openRecordRing(memory), openRecordRing(memory)];
    for (const value of [1, 2, 3]) {
      const heard = listen(consumer);
      expect(heard.async).toBe(true);
      put(producer, 2, value);
      producer.publish();
      expect(await heard.value).toBe('ok');
      expect(listen(consumer)).toEqual({ async: false, value: 'not-equal' });
      expect(taken(consumer)).toEqual([[2, value]]);
    }
  });
});
