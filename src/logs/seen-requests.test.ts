import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeenRequest, SeenRequests } from './seen-requests.ts';

function seenAt(...entries: readonly (readonly [string, number])[]): SeenRequests {
  const seen = new SeenRequests();
  for (const [client, at] of entries) seen.add('k', new SeenRequest(client, at));
  return seen;
}
const take = (seen: SeenRequests, at: number, reach = Infinity) => seen.take('k', at, reach);

describe('requests that Pen has seen', () => {
  test('are given to one line each, in their order, when they are of the same time', () => {
    const seen = seenAt(['a', 100], ['b', 100], ['c', 101]);
    expect([take(seen, 101), take(seen, 101), take(seen, 101), take(seen, 101)]).toEqual(['a', 'b', 'c', undefined]);
    expect(seen.again('k', 101, 0)).toBe('c');
  });

  test('of a steady stream stay in step, although each line is a second late', () => {
    const seen = seenAt(['a', 1], ['b', 2], ['c', 3], ['d', 4]);
    expect([2, 3, 4, 5].map((at) => take(seen, at))).toEqual(['a', 'b', 'c', 'd']);
  });

  test('that no line tells of do not stand in the way of later ones', () => {
    const seen = seenAt(['lost', 100], ['b', 200]);
    expect(take(seen, 200)).toBe('b');
  });

  test('are found when the line comes at the end of a long request', () => {
    const seen = seenAt(['long', 100], ['short', 390], ['later', 500]);
    expect([take(seen, 391), take(seen, 400)]).toEqual(['short', 'long']);
  });

  test('are later than their line only where nothing else is near', () => {
    expect(take(seenAt(['a', -20], ['b', 102]), 100)).toBe('a');
    expect(take(seenAt(['a', -21], ['b', 102]), 100)).toBe('b');
    expect(take(seenAt(['b', 300]), 100)).toBe('b');
  });

  test('are not taken from farther than the reach, nor for other requests', () => {
    const seen = seenAt(['a', 100]);
    expect(take(seen, 103, 2)).toBeUndefined();
    expect(seen.take('other', 100, 2)).toBeUndefined();
    expect(take(seen, 102, 2)).toBe('a');
    expect(seen.again('k', 103, 2)).toBeUndefined();
    expect(take(seenAt(['far', 100], ['later', 120]), 200 - 95, 20)).toBe('far');
    expect(take(seenAt(['far', 100], ['later', 120]), 115, 10)).toBe('later');
  });

  test('that another collection has given away are gone from this one', () => {
    const [one, other] = [new SeenRequests(), new SeenRequests()];
    for (const client of ['a', 'b', 'c']) {
      const seen = new SeenRequest(client, 1);
      one.add('k', seen);
      other.add('k', seen);
    }
    expect([take(one, 1), take(other, 1), take(one, 1), take(other, 1)]).toEqual(['a', 'b', 'c', undefined]);
  });

  test('are forgotten in the order in which they came', () => {
    const seen = seenAt(['a', 3], ['b', 1], ['c', 2]);
    seen.forget(({ client }) => client !== 'c');
    expect([take(seen, 3), take(seen, 3)]).toEqual(['c', undefined]);
    seen.forget(() => true);
    expect(seen.keyCount).toBe(0);
    seen.add('k', new SeenRequest('d', 9));
    expect(take(seen, 9)).toBe('d');
  });
});

test('a list of all agrees, whatever is asked in which order', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'take', 'take', 'forget'),
    at: fc.integer({ min: 0, max: 30 }),
    reach: fc.constantFrom(0, 2, 5, 100),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const seen = new SeenRequests();
      const all: SeenRequest[] = [];
      let count = 0;
      for (const { kind, at, reach } of steps) {
        if (kind === 'add') {
          const one = new SeenRequest(`c${count++}`, at);
          all.push(one);
          seen.add('k', one);
        } else if (kind === 'take') {
          const expected = plainChoice(all, at, reach);
          expect(seen.take('k', at, reach)).toBe(expected?.client);
          if (expected) all.splice(all.indexOf(expected), 1);
        } else {
          seen.forget((one) => one.at < at);
          // What came first stands in front of others that are as old.
          const kept = new Set<SeenRequest>();
          seen.forget((one) => (kept.add(one), false));
          all.splice(0, all.length, ...all.filter((one) => !one.isTaken));
        }
      }
    }),
    { numRuns: 500 },
  );
});

/** The same rule over all of them. */
function plainChoice(all: readonly SeenRequest[], at: number, reach: number): SeenRequest | undefined {
  const sorted = all.filter((one) => Math.abs(one.at - at) <= reach).toSorted((a, b) => a.at - b.at);
  const same = sorted.find((one) => Math.abs(one.at - at) <= 1);
  const earlier = sorted.findLast((one) => one.at < at);
  const later = sorted.find((one) => one.at > at);
  const isLater = later && (!earlier || (later.at - at) * 60 < at - earlier.at);
  return same ?? (isLater ? later : earlier);
}
