import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TICK_MS, TimerWheel } from './timer-wheel.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Fired {
  readonly key: number;
  readonly nowMs: number;
}

/** Advances the wheel and collects what fires. */
function advance(wheel: TimerWheel, nowMs: number): Fired[] {
  const fired: Fired[] = [];
  wheel.advance(nowMs, (key, at) => fired.push({ key, nowMs: at }));
  return fired;
}

/** A turn of a worker, as the loop would drive it: sleeps until the wheel says so, but at most until `untilMs`. */
function runUntil(
  wheel: TimerWheel,
  fromMs: number,
  untilMs: number,
  fire: (key: number, nowMs: number) => void,
): void {
  for (let nowMs = fromMs; nowMs <= untilMs;) {
    wheel.advance(nowMs, fire);
    const nextMs = wheel.nextMs();
    if (nextMs === Infinity) return;
    nowMs = Math.max(nowMs + 0.01, nextMs);
  }
}

describe('one timer', () => {
  test.each([
    0,
    1,
    15.9,
    16,
    17,
    1000,
    1023,
    1024,
    65_536,
    MINUTE,
    HOUR,
    2 * HOUR,
    DAY,
    74 * HOUR,
    80 * HOUR,
    60 * DAY,
  ])('set for %d ms fires once, not early and at most a tick late', (delayMs) => {
    for (const startMs of [0, 0.5, 123_456.789, 30 * DAY + 7]) {
      const wheel = new TimerWheel(1, startMs);
      wheel.set(0, startMs + delayMs);
      const fired: number[] = [];
      runUntil(wheel, startMs, startMs + delayMs + 2 * TICK_MS, (_key, nowMs) => fired.push(nowMs));
      expect(fired).toHaveLength(1);
      expect(fired[0]).toBeGreaterThanOrEqual(startMs + delayMs);
      expect(fired[0]).toBeLessThanOrEqual(startMs + delayMs + TICK_MS);
      expect(wheel.nextMs()).toBe(Infinity);
    }
  });

  test('a moment in the past fires on the next advance of at least a tick', () => {
    const wheel = new TimerWheel(1, 1000);
    wheel.set(0, 3);
    expect(advance(wheel, 1000 + TICK_MS)).toHaveLength(1);
  });

  test('set again replaces what it had', () => {
    const wheel = new TimerWheel(1, 0);
    wheel.set(0, 100);
    wheel.set(0, 5000);
    expect(wheel.count).toBe(1);
    expect(advance(wheel, 4999)).toEqual([]);
    expect(advance(wheel, 5000 + TICK_MS)).toHaveLength(1);
  });

  test('cleared never fires; clearing twice or what was never set does nothing', () => {
    const wheel = new TimerWheel(2, 0);
    wheel.set(0, 100);
    wheel.clear(0);
    wheel.clear(0);
    wheel.clear(1);
    expect(wheel.count).toBe(0);
    expect(wheel.isSet(0)).toBe(false);
    expect(wheel.nextMs()).toBe(Infinity);
    expect(advance(wheel, DAY)).toEqual([]);
  });

  test('an advance that is long overdue tells the time it is, not the time it should have been', () => {
    const wheel = new TimerWheel(1, 0);
    wheel.set(0, 100);
    expect(advance(wheel, 9 * DAY)).toEqual([{ key: 0, nowMs: 9 * DAY }]);
  });

  test('set after a long sleep without timers is exact', () => {
    const wheel = new TimerWheel(2, 0);
    expect(advance(wheel, 60 * DAY)).toEqual([]);
    wheel.set(0, 60 * DAY + 100);
    expect(advance(wheel, 60 * DAY + 99)).toEqual([]);
    expect(advance(wheel, 60 * DAY + 100 + TICK_MS)).toHaveLength(1);
  });
});

describe('handlers', () => {
  test('a timer that sets itself again in its handler fires in its own time', () => {
    const wheel = new TimerWheel(1, 0);
    wheel.set(0, 500);
    const at: number[] = [];
    runUntil(wheel, 0, 10_000, (key, nowMs) => {
      at.push(nowMs);
      if (at.length < 5) wheel.set(key, nowMs + 500);
    });
    expect(at).toHaveLength(5);
    for (let i = 1; i < at.length; i++) {
      const gap = at[i]! - at[i - 1]!;
      expect(gap).toBeGreaterThanOrEqual(500);
      expect(gap).toBeLessThanOrEqual(500 + 2 * TICK_MS);
    }
  });

  test('a handler that sets its timer to this very moment does not hold up the advance', () => {
    const wheel = new TimerWheel(1, 0);
    wheel.set(0, 160);
    let count = 0;
    wheel.advance(1600, (key, nowMs) => {
      if (++count > 200) throw new Error('the advance does not end');
      wheel.set(key, nowMs);
    });
    expect(count).toBeLessThanOrEqual(2);
    expect(wheel.isSet(0)).toBe(true);
  });

  test('a handler may clear and move others that are due at the same time', () => {
    const wheel = new TimerWheel(8, 0);
    for (let key = 0; key < 8; key++) wheel.set(key, 100);
    const fired: number[] = [];
    wheel.advance(200, (key) => {
      fired.push(key);
      for (let other = 0; other < 8; other++) {
        if (other % 2 === 0) wheel.clear(other);
        else if (wheel.isSet(other)) wheel.set(other, 1000);
      }
    });
    expect(fired).toHaveLength(1);
    expect(wheel.count).toBe(fired[0]! % 2 === 0 ? 4 : 3);
    expect(advance(wheel, 1000 + TICK_MS)).toHaveLength(wheel.count + (fired[0]! % 2 === 0 ? 4 : 3));
  });
});

type Step =
  | { readonly do: 'set'; readonly key: number; readonly inMs: number }
  | { readonly do: 'clear'; readonly key: number }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'doze' };

const KEYS = 12;
const delay = fc.oneof(
  fc.integer({ min: -100, max: 100 }),
  fc.double({ min: 0, max: 5000, noNaN: true }),
  fc.integer({ min: 0, max: 2 * HOUR }),
  fc.integer({ min: 0, max: 60 * DAY }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), key: fc.nat(KEYS - 1), inMs: delay }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), key: fc.nat(KEYS - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sleep' as const), ms: delay.map(Math.abs) }) },
  { weight: 3, arbitrary: fc.constant({ do: 'doze' as const }) },
);

/** The wheel beside a plain map of due times. Handlers sometimes set and clear timers, as the engine's do. */
class Model {
  readonly wheel: TimerWheel;
  private readonly due = new Map<number, number>();
  private nowMs: number;
  private handled = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
    this.wheel = new TimerWheel(KEYS, startMs);
  }

  take(step: Step): void {
    if (step.do === 'set') this.set(step.key, this.nowMs + step.inMs);
    else if (step.do === 'clear') this.clear(step.key);
    else if (step.do === 'sleep') this.advance(this.nowMs + step.ms);
    else if (this.wheel.nextMs() !== Infinity) this.advance(Math.max(this.nowMs, this.wheel.nextMs()));
    this.check();
  }

  /** Lets everything fire, sleeping as long as the wheel allows. */
  finish(): void {
    for (let rounds = 0; this.due.size > 0; rounds++) {
      expect(rounds).toBeLessThan(20_000);
      this.advance(Math.max(this.nowMs + 1, this.wheel.nextMs()));
      this.check();
    }
    expect(this.wheel.nextMs()).toBe(Infinity);
  }

  private set(key: number, atMs: number): void {
    this.wheel.set(key, atMs);
    // From the past, the earliest moment is now.
    this.due.set(key, Math.max(atMs, this.nowMs));
  }

  private clear(key: number): void {
    this.wheel.clear(key);
    this.due.delete(key);
  }

  private advance(toMs: number): void {
    this.nowMs = toMs;
    this.wheel.advance(toMs, (key) => {
      const dueMs = this.due.get(key);
      expect(dueMs, 'only what is set fires').toBeDefined();
      expect(dueMs!, 'nothing fires early').toBeLessThanOrEqual(toMs);
      expect(this.wheel.isSet(key)).toBe(false);
      this.due.delete(key);
      if (++this.handled % 5 === 0) this.set(key, toMs + (this.handled % 3) * 40);
      if (this.handled % 7 === 0) this.clear((key + 1) % KEYS);
    });
    for (const dueMs of this.due.values()) expect(dueMs, 'nothing fires late').toBeGreaterThan(toMs - TICK_MS);
  }

  private check(): void {
    expect(this.wheel.count).toBe(this.due.size);
    for (let key = 0; key < KEYS; key++) expect(this.wheel.isSet(key)).toBe(this.due.has(key));
    const firstMs = Math.min(...this.due.values());
    expect(this.wheel.nextMs()).toBeLessThanOrEqual(firstMs + TICK_MS);
  }
}

describe('against a plain list of due times', () => {
  test('any mixture of setting, clearing and sleeping fires the same timers, within a tick', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 400 * DAY, noNaN: true }),
        fc.array(step, { maxLength: 60 }),
        (startMs, steps) => {
          const model = new Model(startMs);
          for (const each of steps) model.take(each);
          model.finish();
        },
      ),
      { numRuns: 150 },
    );
  });

  test('whoever sleeps exactly as long as the wheel says is woken seldom', () => {
    const wheel = new TimerWheel(1, 0);
    wheel.set(0, 60 * DAY);
    let turns = 0;
    for (let nowMs = 0; wheel.count > 0; nowMs = Math.max(nowMs + 0.01, wheel.nextMs())) {
      wheel.advance(nowMs, () => {});
      turns++;
    }
    expect(turns).toBeLessThan(200);
  });
});
