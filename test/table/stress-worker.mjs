/**
 * One of the threads of `stress.test.ts`. Plain JavaScript over the compiled tables: a worker thread cannot load
 * TypeScript on every Node version that is supported.
 *
 * Every thread runs every phase, and all wait for each other between phases. An operation is one call of a function
 * of `src/table`; calls that only check are not counted.
 */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
import { parentPort, workerData } from 'node:worker_threads';

const dist = new URL('../../dist/table/', import.meta.url).href;
const { openTables } = await import(`${dist}tables.js`);
const { openRing } = await import(`${dist}ring.js`);
const shared = await import(`${dist}shared.js`);
const publish = await import(`${dist}publish.js`);
const clients = await import(`${dist}clients.js`);
const sources = await import(`${dist}sources.js`);

const { thread, threads, operations, shares, sizes } = workerData;
const tables = openTables(workerData.memory);
/** Words that the test itself shares: 0 barrier, 1 places held, 2 connections held, 3 producers done. */
const words = new Int32Array(workerData.words);
/** Changed by plain reads and writes, under the lock. */
const guarded = new Float64Array(workerData.guarded);
const rings = workerData.rings.map(openRing);

function check(condition, what) {
  if (!condition) throw new Error(what);
}

let barriers = 0;
function meet() {
  barriers++;
  if (Atomics.add(words, 0, 1) + 1 === barriers * threads) Atomics.notify(words, 0);
  for (;;) {
    const arrived = Atomics.load(words, 0);
    if (arrived >= barriers * threads) return;
    Atomics.wait(words, 0, arrived);
  }
}

/** Takes and gives in an order that differs per thread; `witness` counts, independently, what all threads hold. */
function takeAndGive(budget, take, give, witness, limit) {
  let done = 0;
  let taken = 0;
  let refused = 0;
  let held = 0;
  let chance = thread + 1;
  for (; done < budget; done++) {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
    if (held === 0 || (held < 3 && chance >= 2 ** 31)) {
      if (take()) {
        taken++;
        held++;
        check(Atomics.add(words, witness, 1) < limit, 'more is held than the limit allows');
      } else {
        refused++;
      }
    } else {
      Atomics.sub(words, witness, 1);
      held--;
      give();
    }
  }
  for (; held > 0; held--, done++) {
    Atomics.sub(words, witness, 1);
    give();
  }
  return { operations: done, taken, refused };
}

/** Gives clients to servers in turn, passing over those that are blacklisted. */
function roundRobin(budget, farm, first, count) {
  let done = 0;
  const chosen = Array.from({ length: count }, () => 0);
  while (done < budget) {
    const cursor = shared.readCursor(tables, farm);
    check(cursor >= 0 && cursor < count, 'a cursor is an index of the farm');
    let next = (cursor + 1) % count;
    while (shared.blacklistedUntil(tables, first + next) !== 0) next = (next + 1) % count;
    if (shared.moveCursor(tables, farm, cursor, next)) chosen[next]++;
    done += 2;
  }
  return { operations: done, chosen };
}

function exclude(budget) {
  let rounds = 0;
  for (; rounds * 2 < budget; rounds++) {
    shared.lock(tables, shared.LOCK_CLIENTS, thread);
    const before = guarded[0];
    guarded[0] = before + 1;
    check(guarded[1] === before, 'the lock excludes others');
    guarded[1] = before + 1;
    shared.unlock(tables, shared.LOCK_CLIENTS, thread);
  }
  return { operations: rounds * 2, rounds };
}

/** The first half of the threads produces, each into a ring of its own that one of the other half drains. */
function produceOrConsume(budget) {
  const half = threads / 2;
  const ring = rings[thread % half];
  if (thread < half) {
    const row = new Float64Array(ring.rowWords);
    for (let number = 1; number <= budget * 2; number++) {
      row.fill(number);
      // A producer that dropped goes on a little later, or on few cores it would drop nearly everything.
      if (!ring.push(row)) Atomics.wait(words, 0, Atomics.load(words, 0), 0.05);
    }
    Atomics.add(words, 3, 1);
    return { operations: Math.floor(budget * 2), pushed: Math.floor(budget * 2) };
  }
  let last = 0;
  let received = 0;
  const take = (at) => {
    const number = ring.f64[at];
    check(number > last, 'rows come in order, each once');
    for (let word = 1; word < ring.rowWords; word++) check(ring.f64[at + word] === number, 'a row is whole');
    last = number;
  };
  for (;;) {
    const isLast = Atomics.load(words, 3) === half;
    const count = ring.drain(take, 256);
    received += count;
    if (count > 0) continue;
    if (isLast) return { operations: 0, received, dropped: ring.dropped() };
    Atomics.wait(words, 3, Atomics.load(words, 3), 0.05);
  }
}

/** Thread 0 publishes as fast as it may; the others take turns and see one whole configuration in each. */
function publishOrTurn(budget) {
  if (thread === 0) {
    let published = 0;
    while (tables.workers.live.some((_, worker) => worker < threads && publish.isWorkerLive(tables, worker))) {
      const draft = publish.beginPublish(tables, { servers: sizes.configured });
      if (draft === undefined) continue;
      const next = (publish.currentVersion(tables) + 1) & 0xffff;
      for (let row = 0; row < sizes.configured; row++) draft.servers.weight[row] = next;
      publish.commitPublish(tables);
      published++;
    }
    return { operations: 0, published };
  }
  const turns = Math.ceil((budget * threads) / (threads - 1) / 2);
  let versions = 0;
  let last = -1;
  for (let turn = 0; turn < turns; turn++) {
    // Workers sleep between turns; without that, few cores let control publish only a few times.
    if (turn % 512 === 0) Atomics.wait(words, 0, Atomics.load(words, 0), 0.05);
    const version = publish.currentVersion(tables);
    publish.noteVersion(tables, thread, version);
    if (version !== last) versions++;
    last = version;
    const { weight } = publish.configAt(tables, version).servers;
    for (let row = 0; row < sizes.configured; row++) {
      check(weight[row] === (version & 0xffff), 'a turn sees one whole configuration');
    }
  }
  publish.unregisterWorker(tables, thread);
  return { operations: turns * 2, versions };
}

/** Writes the peer 10.0.0.0 + `number`, IPv4. */
const peer = new Uint8Array(24);
function becomePeer(number) {
  peer[0] = 4;
  peer[18] = peer[19] = 255;
  peer[20] = 10;
  peer[21] = number >>> 16;
  peer[22] = number >>> 8;
  peer[23] = number;
}

/**
 * Clients come, are given a server and credited. Farm 1 has room for all, so every connect and byte must be there
 * afterwards; farm 2 is small, so that its rows change hands all the time.
 */
function comeAndGo(budget) {
  const visit = new clients.ClientVisit();
  const config = publish.configAt(tables, publish.currentVersion(tables));
  let chance = thread + 1;
  let rounds = 0;
  let touched = 0;
  for (; rounds * 3 < budget; rounds++) {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
    const farm = chance >= 2 ** 31 ? 1 : 2;
    const number = (chance >>> 8) % sizes.clients;
    becomePeer(number);
    clients.touchClient(tables, config, thread, farm, peer, 0, rounds, visit);
    // A client's server is always the same one: another would be another client's.
    const server = (number % 60_000) + 1;
    check(visit.server === 0 || visit.server === server, 'a client is given its own server');
    clients.rememberServer(tables, thread, visit.row, visit.generation, server);
    clients.creditClient(tables, thread, visit.row, visit.generation, number, 1);
    if (farm === 1) touched++;
  }
  return { operations: rounds * 3, touched };
}

/** As `takeAndGive`, for sources: `witness` counts, independently, what each of them has served. */
function takeSources(budget) {
  const witness = new Int32Array(workerData.served);
  const held = [];
  const waiting = [];
  let chance = thread + 1;
  let done = 0;
  let taken = 0;
  let refused = 0;
  let promoted = 0;
  const hold = (row, number) => {
    check(Atomics.add(witness, number, 1) < sizes.sourceLimit, 'a source has no more served than the limit allows');
    held.push([row, number]);
  };
  const endOne = (list, give) => {
    const [row, number] = list.shift();
    if (list === held) Atomics.sub(witness, number, 1);
    give(tables, thread, row);
  };
  for (; done < budget; done++) {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
    const number = (chance >>> 8) % sizes.sources;
    const what = chance >>> 30;
    if (what < 2 && held.length + waiting.length < 12) {
      becomePeer(number);
      const row = sources.takeSource(tables, thread, peer, 0, 128, sizes.sourceLimit);
      if (row > 0) {
        taken++;
        hold(row, number);
      } else {
        refused++;
        waiting.push([-row, number]);
      }
    } else if (what === 2 && waiting.length > 0) {
      const [row, number] = waiting[0];
      if (sources.promoteSource(tables, thread, row, sizes.sourceLimit)) {
        promoted++;
        waiting.shift();
        hold(row, number);
      } else {
        endOne(waiting, sources.leaveSource);
      }
    } else if (held.length > 0) {
      endOne(held, sources.giveSource);
    }
  }
  for (; held.length > 0; done++) endOne(held, sources.giveSource);
  for (; waiting.length > 0; done++) endOne(waiting, sources.leaveSource);
  return { operations: done, taken, refused, promoted };
}

const phases = {
  inFlight: (budget) =>
    takeAndGive(
      budget,
      () => shared.takeInFlight(tables, 1, sizes.limit),
      () => shared.giveInFlight(tables, 1),
      1,
      sizes.limit,
    ),
  connections: (budget) =>
    takeAndGive(
      budget,
      () => {
        if (shared.reservePlaces(tables, 1, sizes.max) === 0) return false;
        shared.takeConnection(tables);
        return true;
      },
      () => shared.giveConnection(tables),
      2,
      sizes.max,
    ),
  roundRobin: (budget) => roundRobin(budget, 1, 100, sizes.servers),
  roundRobinWithGaps: (budget) => roundRobin(budget, 2, 200, sizes.servers),
  lock: exclude,
  ring: produceOrConsume,
  publish: publishOrTurn,
  clients: comeAndGo,
  sources: takeSources,
};

// Registered before the first barrier, so that control cannot finish before the workers have begun.
if (thread !== 0) publish.registerWorker(tables, thread);
const results = {};
for (const [name, run] of Object.entries(phases)) {
  meet();
  const started = performance.now();
  const result = run((operations * shares[name]) / threads);
  meet();
  results[name] = { ...result, ms: performance.now() - started };
}
parentPort.postMessage(results);
