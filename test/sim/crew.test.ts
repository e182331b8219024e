/**
 * Several engines over the same tables, in the simulator: whole turns in any order, and turns that throw. Then bugs of
 * that kind, planted, which must be found.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newReport, runSeed } from '../../src/sim/run.ts';
import { realEngine } from '../../src/sim/driven.ts';
import { Garden, type Plant } from './plants.ts';

const FIRST_SEED = Number(process.env['SIM_SEED'] ?? 1);
const SEEDS = 60;
const PLANT_SEEDS = 60;
const CONNECTIONS = 400;

describe('several workers in the simulator', () => {
  for (const workers of [2, 4]) {
    for (const canFail of [false, true]) {
      it(`${workers} workers${canFail ? ' whose turns throw' : ''} keep every promise`, () => {
        const report = newReport();
        for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
          const failure = runSeed(
            seed,
            { connections: CONNECTIONS, workers, canFail, isTraced: false },
            realEngine,
            report,
          );
          const replay = `npm run sim -- ${seed} --connections=${CONNECTIONS} --workers=${workers}${canFail ? ' --fail' : ''}`;
          expect(failure?.error.message, replay).toBeUndefined();
        }
        console.log(`${workers} workers: ${report.connections} connections, ${report.failures} failures`);
        expect(report.failures > SEEDS, 'enough of them throw').toBe(canFail);
      }, 120_000);
    }
  }
});

const plants: readonly Plant[] = [
  {
    name: 'reservation leaked: what an accept did not use is not given back',
    file: 'engine/accept-state.js',
    from: 'returnPlaces(e.tables, count);',
    to: '',
  },
  {
    name: 'clients forgotten: those accepted in the turn that threw are not reset',
    file: 'engine/engine.js',
    from: 'accepts++ >= e.acceptsTaken',
    to: 'false',
  },
  {
    name: 'place kept: a connection of a failed worker still counts',
    file: 'control/reclaim.js',
    from: 'giveConnection(tables);',
    to: '',
  },
  {
    name: 'reservation kept: accepts of a failed worker keep their places',
    file: 'control/reclaim.js',
    from: 'returnPlaces(tables, reserved);',
    to: '{ }',
  },
  {
    name: 'who is parked is served: a parked connection of a failed worker is taken for a served one',
    file: 'control/reclaim.js',
    from: 'if (state === CONNECTION_PARKED)',
    to: 'if (false)',
  },
  {
    name: 'server place kept: a failed worker still counts at its servers',
    file: 'control/reclaim.js',
    from: 'giveInFlight(tables, server);',
    to: '{ }',
  },
];

describe('a planted bug of several workers is found', () => {
  let garden: Garden;

  beforeAll(() => {
    garden = new Garden();
  });

  afterAll(() => garden.remove());

  for (const bug of plants) {
    it(
      bug.name,
      async () => {
        const options = { connections: CONNECTIONS, workers: 3, canFail: true };
        const found = await garden.firstFinding(bug, PLANT_SEEDS, options);
        console.log(`${bug.name}: ${found}`);
        expect(found, `nothing noticed in ${PLANT_SEEDS} seeds`).toBeDefined();
      },
      120_000,
    );
  }
});
