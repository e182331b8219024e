/**
 * The lock, the publish protocol and the ring under every interleaving of their steps.
 *
 * The functions that run are the real ones of this room; see `test/table/interleavings.ts` for how. Each property
 * is shown to have teeth by a planted bug that the same model finds.
 */
import { describe, expect, test } from 'vitest';
import { assert } from '../base/assert.ts';
import { Checker, type Action } from '../../test/table/interleavings.ts';
import { HEADER_LOCKS, HEADER_ROWS, HEADER_VERSION, HEADER_WORDS, tableIndex, tableList } from './layout.ts';
import * as publish from './publish.ts';
import { Ring } from './ring.ts';
import { lock, unlock } from './shared.ts';
import type { BankedColumn, Tables } from './tables.ts';

/** No interleaving breaks the model; prints how many states that were, so that a model that shrank is noticed. */
function expectRight(name: string, checker: Checker): void {
  const { states, violation } = checker.explore();
  console.log(`${name}: ${states} states`);
  expect(violation).toBe('');
  expect(states).toBeGreaterThan(100);
}

function expectFound(checker: Checker, what: string): void {
  expect(checker.explore().violation).toContain(what);
}

describe('lock', () => {
  type Unlock = (tables: Tables, worker: number) => void;
  const SPINS = 1;

  /** Threads that each take the lock `rounds` times and, holding it, add 1 to a word by a plain read and write. */
  function model(threads: number, rounds: number, timeouts: number, release: Unlock, take = lock): Checker {
    const checker = new Checker();
    const tables = { header: checker.words(HEADER_LOCKS + 1) } as unknown as Tables;
    const counter = checker.words(1);
    for (let worker = 0; worker < threads; worker++) {
      const round: Action[] = [
        () => take(tables, 0, worker, SPINS),
        () => {
          const before = counter[0]!;
          counter[0] = before + 1;
          assert(counter[0] === before + 1, 'the lock excludes others');
        },
        () => release(tables, worker),
      ];
      const last: Action = () => {
        const done = Atomics.load(counter, 0);
        assert(done >= rounds && done <= threads * rounds, 'no round is lost');
      };
      checker.thread([...Array.from({ length: rounds }, () => round).flat(), last], { timeouts });
    }
    return checker;
  }

  const realUnlock: Unlock = (tables, worker) => unlock(tables, 0, worker);

  test('two threads exclude each other and never sleep past a wake-up', () => {
    expectRight('lock, 2 threads x 3, no timeouts', model(2, 3, 0, realUnlock));
  });

  test('three threads do', () => {
    expectRight('lock, 3 threads x 1, no timeouts', model(3, 1, 0, realUnlock));
  });

  test('sleeps that end early do no harm', () => {
    expectRight('lock, 2 threads x 2, 2 timeouts each', model(2, 2, 2, realUnlock));
  });

  test('planted: an unlock without check lets a stranger in', () => {
    const checker = new Checker();
    const tables = { header: checker.words(HEADER_LOCKS + 1) } as unknown as Tables;
    const counter = checker.words(1);
    const critical: Action = () => {
      const before = counter[0]!;
      counter[0] = before + 1;
      assert(counter[0] === before + 1, 'the lock excludes others');
    };
    const uncheckedUnlock: Action = () => {
      if (Atomics.exchange(tables.header, HEADER_LOCKS, 0) > 0xffff) Atomics.notify(tables.header, HEADER_LOCKS, 1);
    };
    checker.thread([() => lock(tables, 0, 0, SPINS), critical, uncheckedUnlock, uncheckedUnlock], { timeouts: 1 });
    for (const worker of [1, 2]) {
      checker.thread([() => lock(tables, 0, worker, SPINS), critical, uncheckedUnlock], { timeouts: 1 });
    }
    expectFound(checker, 'the lock excludes others');
  });

  test('the real unlock refuses a stranger', () => {
    const twice: Unlock = (tables, worker) => {
      unlock(tables, 0, worker);
      unlock(tables, 0, worker);
    };
    expectFound(model(2, 1, 0, twice), 'only the holder lets a lock go');
  });

  test('planted: an unlock that wakes nobody leaves a sleeper', () => {
    expectFound(
      model(2, 1, 0, (tables) => void Atomics.exchange(tables.header, HEADER_LOCKS, 0)),
      'deadlock',
    );
  });

  test('planted: taking in two steps excludes nobody', () => {
    const take = (tables: Tables, _: number, worker: number): void => {
      if (Atomics.load(tables.header, HEADER_LOCKS) === 0) Atomics.store(tables.header, HEADER_LOCKS, worker + 1);
    };
    expectFound(
      model(2, 1, 0, (tables) => void Atomics.store(tables.header, HEADER_LOCKS, 0), take),
      'excludes',
    );
  });

  test('planted: sleeping without a mark is never woken', () => {
    const take = (tables: Tables, _: number, worker: number): void => {
      for (;;) {
        const seen = Atomics.compareExchange(tables.header, HEADER_LOCKS, 0, worker + 1);
        if (seen === 0) return;
        Atomics.wait(tables.header, HEADER_LOCKS, seen, 100);
      }
    };
    expectFound(model(2, 1, 0, realUnlock, take), 'deadlock');
  });
});

describe('publish', () => {
  const CELLS = 2;
  const SERVERS = tableIndex('servers');
  const FIRST = 0xff_ff_ff_fe;

  interface Bugs {
    readonly commitEarly?: boolean;
    readonly ignoreWorkers?: boolean;
    readonly registerBlindly?: boolean;
    readonly noteAnother?: boolean;
  }

  /** Control publishes: every row of the bank of version v holds v's lower byte. Workers check that in each turn. */
  function model(workers: number, publishes: number, turns: number, bugs: Bugs = {}): Checker {
    const checker = new Checker();
    const header = checker.words(HEADER_WORDS, true);
    const banks = [checker.words(CELLS), checker.words(CELLS)] as const;
    const column: BankedColumn = { table: 'servers', column: 'weight', tableIndex: SERVERS, perRow: 1, banks };
    const rows = { live: checker.words(workers), versionSeen: checker.words(workers) };
    const config = banks.map((weight) => ({ servers: { weight } }));
    const tables = { header, config, banked: [column], workers: rows } as unknown as Tables;
    const blind = { ...tables, workers: { live: checker.words(workers), versionSeen: rows.versionSeen } };
    const fill = (draft: { servers: { weight: Uint32Array } }, version: number, from: number): void => {
      for (let cell = from; cell < CELLS; cell++) draft.servers.weight[cell] = version & 255;
    };
    // Start just below the wrap of the version, with the first configuration in place.
    header[HEADER_VERSION] = FIRST;
    for (const bank of [0, 1]) header[HEADER_ROWS + bank * tableList.length + SERVERS] = CELLS;
    for (let cell = 0; cell < CELLS; cell++) banks[FIRST & 1]![cell] = FIRST & 255;

    const publishOnce: Action = () => {
      const draft = publish.beginPublish(bugs.ignoreWorkers === true ? (blind as Tables) : tables);
      if (draft === undefined) return false;
      const next = publish.currentVersion(tables) + 1;
      if (bugs.commitEarly !== true) fill(draft, next, 0);
      publish.commitPublish(tables);
      if (bugs.commitEarly === true) fill(draft, next, 0);
      return true;
    };
    checker.thread(Array.from({ length: publishes }, () => publishOnce));

    for (let worker = 0; worker < workers; worker++) {
      const register: Action = () => {
        if (bugs.registerBlindly === true) {
          Atomics.store(rows.versionSeen, worker, publish.currentVersion(tables));
          Atomics.store(rows.live, worker, 1);
        } else {
          publish.registerWorker(tables, worker);
        }
      };
      const firstTurn: Action = () => {
        // A worker reads with the version it registered with, too.
        const version = Atomics.load(rows.versionSeen, worker);
        readTurn(publish.configAt(tables, version), version);
      };
      const turn: Action = () => {
        const version = publish.currentVersion(tables);
        publish.noteVersion(tables, worker, bugs.noteAnother === true ? publish.currentVersion(tables) : version);
        readTurn(publish.configAt(tables, version), version);
      };
      const leave: Action = () => publish.unregisterWorker(tables, worker);
      checker.thread([register, firstTurn, ...Array.from({ length: turns }, () => turn), leave]);
    }
    return checker;
  }

  function readTurn(bank: { servers: { weight: Uint32Array } }, version: number): void {
    for (let cell = 0; cell < CELLS; cell++) {
      assert(bank.servers.weight[cell] === (version & 255), 'a turn sees one whole configuration');
    }
  }

  test('a worker sees whole configurations, past the wrap of the version', () => {
    expectRight('publish, 1 worker, 4 publishes, 3 turns', model(1, 4, 3));
  });

  test('two workers do', () => {
    expectRight('publish, 2 workers, 2 publishes, 1 turn', model(2, 2, 1));
  });

  test('planted: the version is stored before the bank is full', () => {
    expectFound(model(1, 1, 1, { commitEarly: true }), 'one whole configuration');
  });

  test('planted: a bank is reused without waiting', () => {
    expectFound(model(1, 2, 1, { ignoreWorkers: true }), 'one whole configuration');
  });

  test('planted: a worker registers without looking again', () => {
    expectFound(model(1, 2, 0, { registerBlindly: true }), 'one whole configuration');
  });

  test('planted: the version noted is not the one that is read', () => {
    expectFound(model(1, 3, 2, { noteAnother: true }), 'one whole configuration');
  });
});

describe('ring', () => {
  /** A producer with `count` rows for a ring of two, a consumer that sleeps on the bell when the ring is empty. */
  function model(count: number, rings: (ring: Ring) => boolean): Checker {
    const checker = new Checker();
    const header = checker.words(96, true);
    header[0] = 2;
    header[1] = 1;
    const words = checker.words(2) as unknown as Float64Array;
    const dropped = checker.words(1, true) as unknown as Float64Array;
    const ring = new Ring(header, dropped, words);
    const bell = checker.words(1);
    const produced: Action[] = Array.from({ length: count }, (_, row) => () => {
      const at = ring.claim();
      if (at < 0) return;
      words[at] = row + 1;
      if (!rings(ring)) return;
      Atomics.add(bell, 0, 1);
      Atomics.notify(bell, 0, 1);
    });
    const end: Action = () => {
      // Whatever was not dropped must arrive, so the last word is how many rows the consumer is to expect.
      Atomics.store(bell, 0, 1000 + count - ring.dropped());
      Atomics.notify(bell, 0, 1);
    };
    const consume: Action = (locals) => {
      const heard = Atomics.load(bell, 0);
      let [last = 0, taken = 0] = locals;
      taken += ring.drain((at) => {
        const row = words[at]!;
        assert(row > last, 'rows come in order, each once');
        last = row;
      }, 100);
      locals[0] = last;
      locals[1] = taken;
      if (heard >= 1000) {
        assert(taken === heard - 1000, 'every row that was not dropped arrives');
        return true;
      }
      Atomics.wait(bell, 0, heard, 100);
      return false;
    };
    checker.thread([...produced, end]);
    checker.thread([consume]);
    return checker;
  }

  test('rows arrive in order, and none is lost but those counted', () => {
    expectRight(
      'ring, 4 rows through 2 places',
      model(4, (ring) => ring.commit()),
    );
  });

  /** The producer's end never comes; only the wake-ups tell the consumer. */
  function sleepy(rings: (ring: Ring) => boolean): Checker {
    const checker = new Checker();
    const header = checker.words(96, true);
    header[0] = 4;
    header[1] = 1;
    const words = checker.words(4) as unknown as Float64Array;
    const ring = new Ring(header, checker.words(1, true) as unknown as Float64Array, words);
    const bell = checker.words(1);
    checker.thread(
      Array.from({ length: 3 }, (_, row) => () => {
        const at = ring.claim();
        words[at] = row + 1;
        if (!rings(ring)) return;
        Atomics.store(bell, 0, 1);
        Atomics.notify(bell, 0, 1);
      }),
    );
    checker.thread([
      (locals) => {
        if (Atomics.exchange(bell, 0, 0) === 0) Atomics.wait(bell, 0, 0, 100);
        let { 0: taken = 0 } = locals;
        ring.drain((at) => assert(words[at] === ++taken, 'rows come in order, each once'), 100);
        locals[0] = taken;
        return taken === 3;
      },
    ]);
    return checker;
  }

  test('a commit into an empty ring asks for a wake-up, so that nothing is left lying', () => {
    expectRight(
      'ring, wake-ups',
      sleepy((ring) => ring.commit()),
    );
  });

  test('planted: asking before committing leaves a row lying', () => {
    const early = (ring: Ring): boolean => {
      const { header } = ring as unknown as { header: Int32Array };
      const wasEmpty = Atomics.load(header, 64) === Atomics.load(header, 32);
      ring.commit();
      return wasEmpty;
    };
    expectFound(sleepy(early), 'deadlock');
  });
});
