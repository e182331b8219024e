/** Several workers over the same tables, of which these tests play the others. */
import { describe, expect, test } from 'vitest';
import { OP_ACCEPT, OP_CONNECT, OP_RECV, OP_WAKE } from '../loop/loop.ts';
import { setLane } from '../table/columns.ts';
import { ACCEPT_ARMED, ACCEPT_RESTING, ACCEPT_WILLING } from '../table/schema.ts';
import { noteAccepting, noteWanting, placesTaken, reservePlaces } from '../table/shared.ts';
import { Stage } from './stage.suite.ts';
import { pendingShare } from './sharing.ts';

/** Places that other workers have taken. */
const OTHERS = 100;

/** The worker of the stage is 0; of the others `accepting` and `load` are given. */
function crew(others: readonly (readonly [load: number, accepting: number])[], options = {}): Stage {
  const stage = new Stage({ connMax: 30, pendingMax: 90, ...options, workerCount: others.length + 1 });
  for (const [index, [load, accepting]] of others.entries()) noteAccepting(stage.tables, index + 1, load, accepting);
  stage.woken.length = 0;
  // Its accept of before it knew of the others.
  stage.turn([OP_ACCEPT, 0, 0]);
  return stage;
}

function max(stage: Stage): number | undefined {
  return stage.pending(OP_ACCEPT, 0)?.max;
}

/** Ends the accept in flight, with nobody accepted. */
function look(stage: Stage): void {
  stage.turn([OP_ACCEPT, 0, 0]);
}

describe('who accepts', () => {
  test('takes no more than brings it a little above the average', () => {
    expect(max(crew([[0, ACCEPT_ARMED]]))).toBe(4);
    expect(max(crew([[10, ACCEPT_ARMED]]))).toBe(9);
    // Who cannot take any does not count.
    expect(max(crew([[10, ACCEPT_RESTING]]))).toBe(4);
  });

  test('never more than its part of the places that are left, so that others have some', () => {
    expect(
      max(
        crew(
          [
            [20, ACCEPT_ARMED],
            [20, ACCEPT_ARMED],
          ],
          { connMax: 6 },
        ),
      ),
    ).toBe(2);
    expect(max(crew([[20, ACCEPT_ARMED]], { connMax: 1 }))).toBe(1);
  });

  test('stops above the average, and wakes the one with fewest connections, once nobody accepts', () => {
    const stage = crew([
      [0, ACCEPT_ARMED],
      [1, ACCEPT_WILLING],
      [0, ACCEPT_RESTING],
    ]);
    for (const count of [4, 1, 1]) {
      expect(max(stage)).toBe(count);
      for (let i = 0; i < count; i++) stage.acceptFrom(1);
      look(stage);
    }
    expect([max(stage), stage.woken], 'another accepts').toEqual([undefined, []]);
    noteAccepting(stage.tables, 1, 0, ACCEPT_WILLING);
    stage.turn([OP_WAKE, 0, 0]);
    expect([max(stage), stage.woken]).toEqual([undefined, [1]]);
    noteAccepting(stage.tables, 1, 8, ACCEPT_WILLING);
    noteAccepting(stage.tables, 2, 7, ACCEPT_WILLING);
    stage.turn([OP_WAKE, 0, 0]);
    expect(max(stage), 'it is its turn again').toBeGreaterThan(0);
  });

  test('nobody is woken when there is no place', () => {
    const stage = crew([[0, ACCEPT_WILLING]], { connMax: 5 });
    stage.tables.settings.places[0]! += OTHERS;
    look(stage);
    expect([max(stage), stage.woken]).toEqual([undefined, []]);
    stage.tables.settings.places[0]! -= OTHERS;
    stage.turn([OP_WAKE, 0, 0]);
    expect([max(stage), stage.woken]).toEqual([3, []]);
  });
});

describe('what workers share', () => {
  test('pending_max is divided exactly', () => {
    const shares = [0, 1, 2, 3].map((worker) => {
      const { state } = crew(
        [
          [0, 0],
          [0, 0],
          [0, 0],
        ],
        { pendingMax: 10 },
      ).engine;
      return pendingShare(Object.assign(Object.create(state) as typeof state, { worker }));
    });
    expect(shares).toEqual([3, 3, 2, 2]);
  });

  test('descriptors of others are not there for it', () => {
    const stage = crew([[10, ACCEPT_ARMED]], { descriptorMax: 20 });
    setLane(stage.tables.gauges.descriptors, 1, 15);
    look(stage);
    expect(max(stage)).toBe(2);
  });
});

describe('somebody who is parked', () => {
  test('in another worker gets the place that is reserved here for nobody in particular', () => {
    const stage = crew([[0, ACCEPT_ARMED]], { connMax: 6 });
    expect(max(stage)).toBe(3);
    expect(reservePlaces(stage.tables, 9, 6)).toBe(3);
    noteWanting(stage.tables, 1, true);
    stage.turn([OP_WAKE, 0, 0]);
    stage.finishCancelled();
    // Two of six are left to it, one is kept free.
    expect([max(stage), placesTaken(stage.tables)]).toEqual([1, 4]);
  });

  test('here tells the others, and no longer when it is served', () => {
    const stage = crew([[0, ACCEPT_ARMED]], { connMax: 4, sourceMax: 1 });
    const first = stage.acceptFrom(1);
    stage.acceptFrom(1);
    stage.tables.settings.places[0]! += OTHERS;
    stage.turn([OP_CONNECT, first * 2 + 1, 0]);
    stage.turn([OP_RECV, first * 2, 0], [OP_RECV, first * 2 + 1, 0]);
    stage.finishCancelled();
    expect([stage.engine.state.parking.count, stage.tables.workers.wanting[0]]).toEqual([1, 1]);
    expect(stage.woken).toContain(1);
    stage.tables.settings.places[0]! -= OTHERS;
    stage.sleep(300);
    expect([stage.engine.state.parking.count, stage.tables.workers.wanting[0]]).toEqual([0, 0]);
  });
});
