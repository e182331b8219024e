/**
 * That somebody accepts as long as there are places, under every interleaving of workers that stop accepting and of
 * places that come back. What runs is `shareAccepts` itself; see `test/table/interleavings.ts` for how.
 */
import { describe, expect, test } from 'vitest';
import { Checker, type Action } from '../../test/table/interleavings.ts';
import { assert } from '../base/assert.ts';
import { ACCEPT_ARMED, ACCEPT_WILLING } from '../table/schema.ts';
import { giveConnection, noteAccepting, placesTaken, returnPlaces, whoShouldAccept } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { shareAccepts } from './sharing.ts';
import type { EngineState } from './state.ts';

const PLACES = 2;
/** Has fewest connections, sleeps, and does nothing unless it is woken. */
const SLEEPER = 2;
const WORKERS = 3;
/** Both others have more than it is their turn to have. */
const LOAD = 9;

type Share = (e: EngineState) => void;

const real: Share = (e) => shareAccepts(e, true, e.acceptor.inFlight > 0);

interface Crew {
  readonly checker: Checker;
  readonly tables: Tables;
  /** The worker as `shareAccepts` sees it: it has just decided not to accept. */
  engine(worker: number): EngineState;
  /** Runs the actions of one worker; whoever ends last finds that somebody accepts or is about to. */
  thread(actions: readonly Action[]): void;
}

/** Three workers. `places` are taken; `accepting` is what the first two have noted. */
function crew(places: number, used: number, accepting: readonly number[]): Crew {
  const checker = new Checker();
  const words = (): Int32Array => checker.words(WORKERS);
  const workers = { accepting: words(), load: words(), wanting: words() };
  const settings = { places: checker.words(1), used: checker.words(1) };
  const woken = words();
  const done = checker.words(1);
  const tables = { workers, settings } as unknown as Tables;
  settings.places[0] = places;
  settings.used[0] = used;
  for (const [worker, noted] of accepting.entries()) {
    workers.accepting[worker] = noted;
    workers.load[worker] = LOAD;
  }
  workers.accepting[SLEEPER] = ACCEPT_WILLING;
  const engine = (worker: number): EngineState =>
    ({
      tables,
      worker,
      workerCount: WORKERS,
      connections: LOAD,
      stop: 0,
      acceptor: { inFlight: 0 },
      config: { settings: { connMax: [PLACES] } },
      wakeWorker: (other: number) => void Atomics.store(woken, other, 1),
    }) as unknown as EngineState;
  const last: Action = () => {
    if (Atomics.add(done, 0, 1) !== 1) return;
    assert(Atomics.load(woken, SLEEPER) === 1, 'somebody was woken to accept');
  };
  return { checker, tables, engine, thread: (actions) => checker.thread([...actions, last]) };
}

/** Two workers accept, and both stop: nobody came, and it is not their turn any more. */
function bothStop(share: Share): Checker {
  const { checker, tables, engine, thread } = crew(2, 0, [ACCEPT_ARMED, ACCEPT_ARMED]);
  for (const worker of [0, 1]) thread([() => returnPlaces(tables, 1), () => share(engine(worker))]);
  return checker;
}

/** All places are taken. One worker stops accepting because of that, while a connection of another ends. */
function placeComesBack(share: Share): Checker {
  const { checker, tables, engine, thread } = crew(2, 2, [ACCEPT_ARMED, ACCEPT_WILLING]);
  thread([() => share(engine(0))]);
  thread([() => giveConnection(tables), () => share(engine(1))]);
  return checker;
}

function expectRight(checker: Checker): void {
  const { states, violation } = checker.explore();
  console.log(`${states} states`);
  expect(violation).toBe('');
  expect(states).toBeGreaterThan(100);
}

describe('somebody accepts', () => {
  test('when all who did stop at the same time', () => expectRight(bothStop(real)));

  test('when a place comes back just as the last one stops', () => expectRight(placeComesBack(real)));

  test('planted: who looks before it has noted that it stops leaves clients waiting', () => {
    const early: Share = ({ tables, worker, wakeWorker }) => {
      const other = placesTaken(tables) < PLACES ? whoShouldAccept(tables, WORKERS, worker) : -1;
      noteAccepting(tables, worker, LOAD, ACCEPT_WILLING);
      if (other >= 0) wakeWorker(other);
    };
    expect(bothStop(early).explore().violation).toContain('somebody was woken to accept');
  });

  test('planted: so does who looks for places before it has noted that', () => {
    const early: Share = ({ tables, worker, wakeWorker }) => {
      const isFree = placesTaken(tables) < PLACES;
      noteAccepting(tables, worker, LOAD, ACCEPT_WILLING);
      const other = isFree ? whoShouldAccept(tables, WORKERS, worker) : -1;
      if (other >= 0) wakeWorker(other);
    };
    expect(placeComesBack(early).explore().violation).toContain('somebody was woken to accept');
  });
});
