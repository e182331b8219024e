/**
 * Bulk steps take turns: of all directions that move bulk data one submits its next step in a turn of the worker.
 *
 * A step, a receive into a pipe or big buffer or a send out of it, is up to a hundred microseconds of the kernel's work inside
 * the submitting call. With one step of each direction in every turn, a request that needs four turns would wait for
 * four steps of everybody. So it waits for one step a turn, however many directions there are, and while a direction
 * waits for its turn more bytes gather for it, which makes its next step larger. Nobody sleeps over it: as long as a
 * step waits, the loop comes back at once.
 */
import { assert } from '../base/assert.ts';
import { joined } from './ending.ts';
import { submitRecv, submitSend } from './operations.ts';
import type { EngineState } from './state.ts';
import { ENDING, MARK_DEAF, OPEN, PENDING_TURN } from './states.ts';

/**
 * The next step of the direction that begins at `source` waits for its turn: a send when bytes are held, else a
 * receive. It counts as an operation in flight, so a connection that ends meanwhile is closed after its turn.
 */
export function awaitTurn(e: EngineState, source: number): void {
  assert((e.pending[source] & PENDING_TURN) === 0, 'a direction waits for one turn at a time');
  e.pending[source] |= PENDING_TURN;
  e.bulkTurns.push(source);
}

/** Submits the step that has waited longest. Directions that have no use for their turn cost none. */
export function takeBulkTurn(e: EngineState): void {
  const { bulkTurns } = e;
  while (bulkTurns.count > 0) {
    const source = bulkTurns.shift();
    e.pending[source] &= ~PENDING_TURN;
    const slot = source >> 1;
    if (e.state[slot] === ENDING) joined(e, slot);
    else if (e.state[slot] === OPEN && step(e, source)) return;
  }
}

function step(e: EngineState, source: number): boolean {
  if ((e.marks[source ^ 1] & MARK_DEAF) !== 0) {
    e.dropHeld(source);
    e.dropBulk(source);
    return false;
  }
  if (e.held[source] !== 0) submitSend(e, source);
  else submitRecv(e, source);
  return true;
}
