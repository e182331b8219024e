/**
 * A balancer whose workers are told to fail, as a process of its own: started with its settings (JSON), asked by
 * messages. It looks at its tables all the time, because limits must hold at every moment.
 */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
import { setInterval } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { literalEndpoint } from '../../dist/config/address.js';
import { DEFAULT_SETTINGS, EMPTY_CONFIGURATION, serverAt } from '../../dist/config/model.js';
import { Balancer } from '../../dist/control/balancer.js';
import { tableFacts } from '../../dist/control/facts.js';
import { FIRST_SERVER_ROW } from '../../dist/control/farm-rows.js';
import { openHost } from '../../dist/linux/open-host.js';
import { NodeHost } from '../../dist/portable/host.js';
import { isRowLive, rowsUsed } from '../../dist/table/addresses.js';
import { lane, sumLanes } from '../../dist/table/columns.js';
import { ACCEPT_RESTING } from '../../dist/table/schema.js';
import * as shared from '../../dist/table/shared.js';
import { fulfilled, order, WAYS } from './order.mjs';

const LOOK_MS = 2;
const { settings, servers, serverMax } = JSON.parse(process.argv[2] ?? '');
const at = (port) => literalEndpoint('127.0.0.1', port, 'a test');

/** Told once, when the worker throws. */
const failures = [];
const say = (text) => {
  if (text.endsWith(': further clients wait in the backlog')) return; // as clients without a place shall
  const worker = Number(/^worker (\d+)/.exec(text)?.[1]);
  if (/planted in/.test(text)) fulfilled(balancer.tables, worker);
  failures.push({ worker, text, ms: performance.timeOrigin + performance.now() });
};
const configuration = {
  ...EMPTY_CONFIGURATION,
  listen: [{ text: '0', endpoint: at(0) }],
  servers: servers.map((port) => serverAt(at(port), { max: serverMax })),
  settings: { ...DEFAULT_SETTINGS, roundrobin: true, ...settings },
};
const host = settings.loop === 'node' ? new NodeHost() : openHost();
const file = new URL('./planted-worker.mjs', import.meta.url);
const balancer = await Balancer.start(host, configuration, { file, again: () => file }, { say });
const { tables } = balancer;
const rows = servers.map((_, index) => FIRST_SERVER_ROW + index);

const most = { used: 0, places: 0, parked: 0, inFlight: 0, pending: 0 };
const now = () => ({
  used: shared.connectionsUsed(tables),
  places: shared.placesTaken(tables),
  parked: shared.connectionsParked(tables),
  inFlight: Math.max(...rows.map((row) => shared.inFlightOf(tables, row))),
  pending: sumLanes(tables.gauges.pending),
});
const look = () => {
  for (const [name, value] of Object.entries(now())) most[name] = Math.max(most[name], value);
};
setInterval(look, LOOK_MS);

const facts = tableFacts({
  tables,
  pid: process.pid,
  version: '',
  loop: settings.loop,
  nowMs: () => performance.now(),
  wallTime: () => ({ seconds: Date.now() / 1000, text: '' }),
  configuration: () => balancer.configuration,
});
/** Everything that is counted, as commands tell it, by name. */
const counts = () => {
  const { row } = facts.process();
  const ofServer = facts.servers(0, servers.length - 1);
  const told = Object.entries(row).filter(([name]) =>
    /^(accepted|connected|closed_|connect_|failed_|unserved)/.test(name),
  );
  for (const index of servers.keys()) {
    const { sent, received, connects, failures } = ofServer(index);
    told.push(
      ...Object.entries({ sent, received, connects, failures }).map(([name, value]) => [`${name} of ${index}`, value]),
    );
  }
  return Object.fromEntries(told);
};
/** What became less from one look to the next, and how often anybody has looked. */
const counting = { readings: 0, jumps: [], now: counts() };
setInterval(() => {
  const now = counts();
  for (const [name, value] of Object.entries(now)) {
    if (!(value >= counting.now[name])) counting.jumps.push(`${name}: ${counting.now[name]}, then ${value}`);
  }
  counting.now = now;
  counting.readings++;
}, LOOK_MS);

function sources() {
  let live = 0;
  for (let row = 1; row <= rowsUsed(tables.sources); row++) if (isRowLive(tables.sources, row)) live++;
  return live;
}

function counted(name) {
  return sumLanes(tables.counters[name]);
}

/** Connections of each worker, by their numbers. */
function slots() {
  const { slotFirst, slotEnd } = tables.workers;
  return Array.from({ length: settings.workers }, (_, worker) => {
    const found = [];
    for (let slot = slotFirst[worker]; slot < slotEnd[worker]; slot++) {
      if (tables.connections.state[slot] !== 0) found.push(slot);
    }
    return found;
  });
}

const QUESTIONS = {
  figures: () => ({
    ...now(),
    sources: sources(),
    descriptors: sumLanes(tables.gauges.descriptors),
    reserved: Array.from(tables.workers.reserved).reduce((sum, count) => sum + count, 0),
    lockHolders: [shared.LOCK_CLIENTS, shared.LOCK_SOURCES].map((id) => shared.lockHolder(tables, id)),
    accepted: counted('accepted'),
    closed: ['closedOrderly', 'closedAbort', 'closedIdle', 'closedStop', 'unserved', 'denied', 'refused']
      .map(counted)
      .reduce((sum, count) => sum + count, 0),
    pausedFull: counted('pausedFull'),
    able: tables.workers.accepting.subarray(0, settings.workers).filter((is) => is !== ACCEPT_RESTING).length,
  }),
  most: () => most,
  counting: () => counting,
  failures: () => failures,
  slots,
  fail: (worker) => {
    order(tables, worker, WAYS.THROW);
    balancer.wake(worker);
    return true;
  },
  failLocked: (worker) => {
    order(tables, worker, WAYS.THROW_LOCKED);
    balancer.wake(worker);
    return true;
  },
  hang: (worker) => {
    order(tables, worker, WAYS.HANG);
    balancer.wake(worker);
    return true;
  },
  stop: async () => {
    const isStopped = await balancer.stop();
    setTimeout(() => process.exit(isStopped ? 0 : 1), 50);
    return isStopped;
  },
};

process.on('message', ({ id, question, word }) => {
  void Promise.resolve(QUESTIONS[question](word)).then((answer) => process.send({ id, answer }));
});
void balancer.supervisor.failed.then((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(3);
});
// Whoever has not had a turn yet is not reckoned with when clients are shared.
const hasBegun = (_, worker) => lane(tables.counters.turns, worker) > 0;
while (!Array.from({ length: settings.workers }).every(hasBegun)) await delay(LOOK_MS);
process.send({ id: 0, answer: balancer.address });
