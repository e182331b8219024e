/** Tests the simulator: bugs that are planted into the compiled engine must be found within a hundred short seeds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Garden, type Plant } from './plants.ts';

const SEEDS = 100;
const CONNECTIONS = 400;

const plants: readonly Plant[] = [
  {
    name: 'slot freed early: the join does not wait for what is in flight',
    file: 'engine/ending.js',
    from: 'if ((e.pending[slot * 2] | e.pending[slot * 2 + 1]) === 0)\n        close(e, slot);',
    to: 'close(e, slot);',
  },
  {
    name: 'lost half-close: the end of the client is not passed on',
    file: 'engine/relay.js',
    from: 'e.loop.shutdown(e.fdOf(target));',
    to: 'if ((source & 1) === 1) e.loop.shutdown(e.fdOf(target));',
  },
  {
    name: 'count leaked on failover: the place at the failed server is kept',
    file: 'engine/connector.js',
    from: 'leaveServer(e, slot);\n    e.clearTimer(slot);',
    to: 'e.server[slot] = 0;\n    e.clearTimer(slot);',
  },
  {
    name: 'buffer reused in flight: given back when the send is submitted',
    file: 'engine/operations.js',
    from: 'e.loop.send(target, seq, e.fdOf(target), (e.held[source] + sent), length);',
    to: '{ const at = e.held[source]; e.loop.send(target, seq, e.fdOf(target), (at + sent), length); if (e.bigBuffer[source] !== at) e.loop.release(at); }',
  },
  {
    name: 'connection forgotten: it ends while its bulk waits for a turn',
    file: 'engine/bulk-turns.js',
    from: 'if (e.state[slot] === ENDING)\n            joined(e, slot);',
    to: 'if (e.state[slot] === ENDING)\n            continue;',
  },
  {
    name: 'stale descriptor: a side is read on the number it had before',
    file: 'engine/state.js',
    from: 'this.fd[side] = -1;',
    to: '',
  },
  {
    name: 'abort as success: a failed read is passed on as an end',
    file: 'engine/relay.js',
    from: 'else if (result === 0) {',
    to: 'else if (result <= 0 && result !== -125) {',
  },
  {
    name: 'limit ignored: a server gets more connections than it may have',
    file: 'balance/attempt.js',
    from: 'isRaised ? hard[server] : max[server])',
    to: '0)',
  },
  {
    name: 'wrong count: a failover is not counted',
    file: 'engine/connector.js',
    from: 'e.count(e.tables.counters.failedOver, 1);',
    to: ';',
  },
  {
    name: 'source leaked: its place is not given back when a connection ends',
    file: 'engine/ending.js',
    from: 'giveSource(e.tables, e.worker, source);',
    to: '',
  },
  {
    name: 'wrong client remembered: a failover is noted for whoever came last',
    file: 'engine/connector.js',
    from: 'rememberServer(e.tables, e.worker, e.client[slot], e.clientGeneration[slot], place);',
    to: 'rememberServer(e.tables, e.worker, e.visit.row, e.visit.generation, place);',
  },
  {
    name: 'known everywhere: the hard limit holds for clients that come for the first time',
    file: 'balance/attempt.js',
    from: 'isKnown && max[server]',
    to: 'max[server]',
  },
  {
    name: 'out of turn: of those who are parked, the last is served first',
    file: 'engine/parking.js',
    from: 'return this.oldest[source] - 1;',
    to: 'return this.newest[source] - 1;',
  },
  {
    name: 'denied and served: who may reach the abuse server only is given another',
    file: 'engine/connector.js',
    from: 'return config.farms.abuseServer[farm];',
    to: 'return config.members.server[config.farms.serverFirst[farm]];',
  },
  {
    name: 'wrong account: what a connection moved is credited to no client',
    file: 'engine/ending.js',
    from: 'creditClient(e.tables, e.worker, client,',
    to: 'creditClient(e.tables, e.worker, 0,',
  },
  {
    name: 'peek in name only: a server is sought at once',
    file: 'engine/peeking.js',
    from: 'return (e.config.farms.flags[e.farm[slot]] & (FARM_F_PEEK | FARM_F_DUMMY)) !== 0;',
    to: 'return false;',
  },
  {
    name: 'half an answer: its last byte is not sent',
    file: 'engine/peeking.js',
    from: 'e.heldLength[source] = DUMMY_ANSWER.length;',
    to: 'e.heldLength[source] = DUMMY_ANSWER.length - 1;',
  },
  {
    name: 'idlers never made again: nobody looks when one has ended',
    file: 'engine/ending.js',
    from: 'e.wheel.set(e.timerIdlers, e.nowMs + IDLERS_PAUSE_MS);',
    to: ';',
  },
  {
    name: 'idlers keep their places at servers: a client is turned away for them',
    file: 'engine/idler-places.js',
    from: 'if (e.idlersAt[server] === 0 || e.isIdler(slot))',
    to: 'if (true)',
  },
  {
    name: 'silent for ever: no deadline for who is looked at',
    file: 'engine/peeking.js',
    from: 'e.setTimer(slot, e.phaseMs[slot] + limitMs);',
    to: ';',
  },
  {
    name: 'a limit for newcomers only: all who have spoken seek servers at once',
    file: 'engine/peeking.js',
    from: 'else if (e.spoken.count === 0 && e.connecting < pendingShareOfOwn(e))',
    to: 'else if (true)',
  },
  {
    name: 'everybody is of the first farm, wherever they came to',
    file: 'engine/acceptor.js',
    from: 'e.clearRow(slot, e.acceptor.farm[listener]);',
    to: 'e.clearRow(slot, 0);',
  },
  {
    name: 'strangers: after a failure the servers of another farm are next',
    file: 'balance/attempt.js',
    from: 'return memberAt(config, farm, next % count);',
    to: 'return memberAt(config, 0, next % count);',
  },
];

let garden: Garden;

beforeAll(() => {
  garden = new Garden();
});

afterAll(() => garden.remove());

async function firstFinding(bug: Plant): Promise<string | undefined> {
  return garden.firstFinding(bug, SEEDS, { connections: CONNECTIONS });
}

describe('a planted bug is found', () => {
  it('and nothing is found where none was planted', async () => {
    const none = {
      name: '',
      file: 'engine/ending.js',
      from: 'function close(e, slot) {',
      to: 'function close(e, slot) { ',
    };
    expect(await firstFinding(none)).toBeUndefined();
  }, 60_000);

  for (const bug of plants) {
    it(
      bug.name,
      async () => {
        expect(await firstFinding(bug), `nothing noticed in ${SEEDS} seeds`).toBeDefined();
      },
      60_000,
    );
  }
});
