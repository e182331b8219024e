/** What access lists add to a connection: on the tables alone, and to connections that are accepted. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCountries } from '../../src/geo/maxmind.ts';
import { aclEntryText } from '../../src/config/access-list.ts';
import type { AclEntry } from '../../src/config/model.ts';
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { startContender, type ContenderDefinition, type RunningContender } from '../contenders.ts';
import { countryEntries, largeCountryFile, ListStage, manyEntries } from '../lists.ts';
import { offerRequests } from '../load.ts';
import { temporaryDirectory } from '../processes.ts';
import { quantile } from '../statistics.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const ENTRIES = 100_000;
const NETWORKS = 2 ** 18;
const CONNECTIONS = 64;
const ROOM = 9000;
const ADDED = 10;
const NS_PER_US = 1000;

interface Sizes {
  readonly entries: number;
  readonly networks: number;
  readonly clients: number;
}

function sizesOf({ options: { smoke } }: Bench): Sizes {
  return smoke
    ? { entries: 2000, networks: 2 ** 10, clients: 20_000 }
    : { entries: ENTRIES, networks: NETWORKS, clients: 1_000_000 };
}

function measureTables({ entries, networks, clients }: Sizes): Sample {
  const [ipv4, ipv6] = [new ListStage(manyEntries(4, entries)), new ListStage(manyEntries(6, entries))];
  const countries = { path: '', stamp: '', ...readCountries(largeCountryFile(networks)) };
  const byCountry = new ListStage(countryEntries(), countries);
  const cost = (stage: ListStage, kind: 4 | 6): number => {
    stage.perClient(kind, clients / 10);
    return stage.perClient(kind, clients);
  };
  const none = cost(new ListStage([]), 4);
  const metrics = { none, ipv4: cost(ipv4, 4), ipv6: cost(ipv6, 6), country: cost(byCountry, 4) };
  const added = manyEntries(4, entries + ADDED)
    .slice(entries)
    .map((entry) => ipv4.add(entry));
  return { metrics: { ...metrics, add: quantile(added, 0.5) }, errors: [] };
}

/** The row on tables alone. It needs none of the contenders; its figures stand with ours. */
export const listsRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const sizes = sizesOf(bench);
    const ours = bench.definitions.filter(({ kind }) => kind === 'ours').slice(0, 1);
    const contenders = ours.map((definition): Contender => ({ ...definition, port: 0, pid: undefined }));
    const measure = (): Promise<Sample> => Promise.resolve(measureTables(sizes));
    return {
      row: 'lists',
      title: 'Looking at an access list',
      placement: bench.placement,
      primary: null,
      metrics: [
        { key: 'none', label: 'ns, empty list', digits: 0 },
        { key: 'ipv4', label: `ns, ${sizes.entries} IPv4 entries`, digits: 0 },
        { key: 'ipv6', label: `ns, ${sizes.entries} IPv6 entries`, digits: 0 },
        { key: 'country', label: 'ns, countries', digits: 0 },
        { key: 'add', label: 'ms to add an entry', digits: 2 },
      ],
      notes: [
        'In the process of the benchmark, on the tables alone; the same for all loops. Clients at random addresses.',
        `Countries: five of eight, in a file that says something else of each of ${sizes.networks} networks of IPv4.`,
        'An entry is added at the end of the IPv4 list and published: the time in which main does nothing else.',
      ],
      samples: await interleave(contenders, { rounds: bench.options.rounds, measure }, bench.progress),
    };
  },
};

/** The same program with the commands of a file. */
function withFile(definition: ContenderDefinition, lines: readonly string[]): ContenderDefinition {
  return {
    ...definition,
    command: (setup) => {
      const file = join(setup.directory, 'lists');
      writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
      const [node = '', program = '', ...rest] = definition.command(setup);
      return [node, program, '-F', file, ...rest];
    },
  };
}

/** What is accepted with: lists of all kinds, by the names of their figures. */
function variantsOf(
  definition: ContenderDefinition,
  { entries, networks }: Sizes,
): Record<string, ContenderDefinition> {
  const countries = join(temporaryDirectory(), 'countries.mmdb');
  writeFileSync(countries, largeCountryFile(networks));
  const linesOf = (list: readonly AclEntry[]): string[] => list.map((entry) => `acl 0 ${aclEntryText(entry)}`);
  // Whom no entry names is permitted.
  const last: AclEntry = { permits: false, kind: 4, address: 0x0a00_0000, mask: 0xff00_0000 };
  return {
    cost: definition,
    entries: withFile(definition, linesOf([...manyEntries(4, entries), last])),
    countries: withFile(definition, [`geoip ${countries}`, ...linesOf(countryEntries())]),
  };
}

interface Variants extends Contender {
  readonly started: Readonly<Record<string, RunningContender>>;
}

async function startVariants(bench: Bench, definition: ContenderDefinition): Promise<Variants> {
  const task = { servers: bench.origin.ports, connections: ROOM, tracking: bench.options.tracking };
  const started: Record<string, RunningContender> = {};
  for (const [name, variant] of Object.entries(variantsOf(definition, sizesOf(bench)))) {
    started[name] = await startContender(variant, task, bench.prefix);
  }
  return { ...definition, port: 0, pid: undefined, started };
}

/** Microseconds of processor time per connection, of each variant in turn. */
async function measureVariants(
  { origin, options, prefix }: Bench,
  { started }: Variants,
  round: number,
): Promise<Sample> {
  const metrics: Record<string, number> = {};
  const errors: string[] = [];
  const all = Object.entries(started);
  for (const [name, contender] of round % 2 === 0 ? all : all.toReversed()) {
    const load = { connections: CONNECTIONS, seconds: options.seconds, close: true, responseBytes: origin.closeBytes };
    const run = await withCpu(contender, () => offerRequests({ ...load, port: contender.port, prefix }));
    metrics[name] = costMetrics(run.cpu, run.result.requests, NS_PER_US)['cost'] ?? 0;
    errors.push(...run.result.errors);
  }
  return { metrics, errors };
}

/** The row on connections: each has one request, as in close64. */
export const acceptListsRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const { rounds } = bench.options;
    const contenders: Variants[] = [];
    try {
      for (const definition of bench.definitions.filter(({ kind }) => kind === 'ours')) {
        contenders.push(await startVariants(bench, definition));
      }
      const measure = (contender: Variants, round: number): Promise<Sample> => measureVariants(bench, contender, round);
      return {
        row: 'accept-lists',
        title: `A connection per request, ${CONNECTIONS} at a time, and access lists`,
        placement: bench.placement,
        primary: null,
        metrics: [
          { key: 'cost', label: 'CPU us/connection, no list', digits: 1 },
          { key: 'entries', label: `${sizesOf(bench).entries} entries`, digits: 1 },
          { key: 'countries', label: 'countries', digits: 1 },
        ],
        notes: ['The list is looked at twice for each connection: for the client, and for its server.'],
        samples: await interleave(contenders, { rounds, measure }, bench.progress),
      };
    } finally {
      const running = contenders.flatMap(({ started }) => Object.values(started));
      await Promise.all(running.map((contender) => contender.stop()));
    }
  },
};
