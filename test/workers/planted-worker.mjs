/**
 * A worker whose turns throw now and then: the real one, with calls of its loop that fail.
 *
 * PLANT (JSON): `everyMs`, how often one of all workers throws on average, 0 never; `seed`; `file`, in which an order is
 * put where nobody else reaches the tables: for whoever has a turn first. Any worker fails in its next turn after its
 * word of the tables is set, see `order.mjs`.
 */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
import { readFileSync, unlinkSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { LAZILY } from '../../dist/bin/open-loop.js';
import { runWorker } from '../../dist/bin/run-worker.js';
import { LOCK_SOURCES, lock } from '../../dist/table/shared.js';
import { openTables } from '../../dist/table/tables.js';
import { Prng } from '../../dist/base/prng.js';
import { fulfilled, order, ordered, WAYS } from './order.mjs';

const { HANG, HANG_LOCKED, HOARD, THROW, THROW_LOCKED } = WAYS;

/** Calls that a turn makes. Not `close`: the kernel may do what it likes, but that it does. */
const CALLS =
  'accept openStream connect recv recvInto recvPipe sendPipe send watch cancel release shutdown takePipe givePipe unsent progress buffersHeld pipeDescriptors'.split(
    ' ',
  );

const { everyMs, seed, file } = JSON.parse(process.env['PLANT'] ?? '{"everyMs":0,"seed":1}');
const { worker, wakeFds, memory } = workerData;
const tables = openTables(memory);
const prng = new Prng(seed + worker + 1000 * (Math.floor(performance.timeOrigin) % 1e6));

/** What the file says becomes an order to whoever takes it away. */
function readOrder() {
  try {
    const how = readFileSync(file, 'utf8');
    unlinkSync(file);
    order(tables, worker, WAYS[how]);
  } catch {
    // There is none.
  }
}

/** For ever, as a mistake in the engine might. */
function obey(what) {
  if (what === THROW_LOCKED || what === HANG_LOCKED) lock(tables, LOCK_SOURCES, worker);
  if (what === HANG || what === HANG_LOCKED) for (;;);
  if (what === HOARD) for (const hoard = []; ;) hoard.push(Array.from({ length: 10_000 }, (_, index) => index + 0.5));
  const isToThrow = what === THROW || what === THROW_LOCKED;
  // Else whoever gave the order takes it back.
  if (isToThrow && file !== undefined) fulfilled(tables, worker);
  return isToThrow;
}

/** @param {import('../../src/loop/loop.ts').Loop} loop */
function plant(loop) {
  const planted = Object.create(loop);
  const dueMs =
    everyMs === 0 ? Infinity : performance.now() + everyMs * wakeFds.length * (0.5 + prng.below(1000) / 1000);
  // So many calls after it is due, so that it is anywhere in a turn.
  let left = 1 + prng.below(30);
  const isDue = () => {
    if (file !== undefined) readOrder();
    return obey(ordered(tables, worker)) || (performance.now() >= dueMs && --left <= 0);
  };
  for (const name of ['run', 'destroy', 'close', 'trim', 'trimPipes']) planted[name] = loop[name].bind(loop);
  for (const name of CALLS) {
    const call = loop[name].bind(loop);
    planted[name] = (...words) => {
      if (isDue()) throw new Error(`planted in ${name}`);
      return call(...words);
    };
  }
  return planted;
}

await runWorker(workerData, LAZILY, plant);
