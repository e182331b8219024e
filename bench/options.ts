/** The command line of the benchmark. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { LOOPS, PEERS, type LoopName, type Peer } from './contenders.ts';
import type { Placement } from './types.ts';

/** Names accepted for `--rows`, in the order in which they run. */
export const ROWS = [
  'ka1',
  'ka16',
  'ka64',
  'ka256',
  'close64',
  'bulk1',
  'bulk8',
  'crowd',
  'latency',
  'idle-memory',
  'idle-cpu',
  'start',
  'lookup',
  'tracking',
  'statistics',
  'log',
  'lists',
  'accept-lists',
  'farms',
] as const;
export type RowName = (typeof ROWS)[number];

/** Everything that can be set, with defaults filled in. */
export interface Options {
  readonly rounds: number;
  /** Seconds of load per contender and round. */
  readonly seconds: number;
  /** Seconds of unmeasured load per contender before the first round of a row. */
  readonly warmSeconds: number;
  readonly rows: readonly RowName[];
  readonly placements: readonly Placement[];
  /** Rows to run in the FREE placement. */
  readonly freeRows: readonly RowName[];
  readonly loops: readonly LoopName[];
  readonly peers: readonly Peer[];
  /** Client tracking in ours and in pen, instead of round robin. */
  readonly tracking: boolean;
  readonly smoke: boolean;
  readonly json: string | undefined;
  readonly before: string | undefined;
  readonly idleSeconds: number;
  /** Seconds without load before the idle measurement: kernel workers retire after five, V8 tidies up for half a minute. */
  readonly settleSeconds: number;
  /** Idle connections at which memory is read. */
  readonly memorySteps: readonly [number, number];
  /** Stalled readers of the crowd row. */
  readonly crowd: number;
  readonly bulkBytes: number;
  /** The CPU that everything shares in the PIN placement. */
  readonly cpu: number;
  /** Requests per second of the latency row; undefined: half of what pen does at most. */
  readonly rate: number | undefined;
}

export const USAGE = `npm run bench -- [options]

  --rows LIST        ${ROWS.join(',')} 
                     (default all; "close" is close64)
  --placement WHICH  pin, free or both (default both)
  --rounds N         interleaved rounds per row (default 15)
  --seconds S        load per contender and round (default 3)
  --idle-seconds S   length of the idle measurement (default 60)
  --loops LIST       ${LOOPS.join(',')} or none (default all)
  --peers LIST       ${PEERS.join(',')} or none (default all)
  --tracking         ours and pen remember clients (their default) instead of
                     round robin; HAProxy and nginx stay with round robin
  --before DIR       an older built checkout as a further contender
  --rate N           requests/s of the latency row (default half of pen's most)
  --cpu N            the CPU of the PIN placement (default 1)
  --json FILE        where the raw figures go (default bench/results/latest.json)
  --smoke            everything once and tiny: does it all work? Figures mean nothing.
`;

const SMOKE = { rounds: 1, seconds: 0.3, warmSeconds: 0, idleSeconds: 0.5, settleSeconds: 0.2 };
const FULL = { rounds: 15, seconds: 3, warmSeconds: 1, idleSeconds: 60, settleSeconds: 45 };
/** One of each kind; the placements differ in nothing but pinning. */
const SMOKE_ROWS: readonly RowName[] = [
  'ka1',
  'ka256',
  'close64',
  'bulk8',
  'crowd',
  'latency',
  'idle-memory',
  'idle-cpu',
  'start',
  'lookup',
  'tracking',
  'statistics',
  'log',
  'lists',
  'accept-lists',
  'farms',
];
const SMOKE_FREE_ROWS: readonly RowName[] = ['ka256'];
const MEBIBYTE = 2 ** 20;

/** Reads the command line. Throws an Error, fit to be shown, for anything it does not know. */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rows: text,
      placement: text,
      rounds: text,
      seconds: text,
      'idle-seconds': text,
      loops: text,
      peers: text,
      before: text,
      rate: text,
      cpu: text,
      json: text,
      tracking: flag,
      smoke: flag,
      help: flag,
    },
  });
  if (values.help === true) return 'help';
  const smoke = values.smoke === true;
  const base = smoke ? SMOKE : FULL;
  const placement = oneOf(values.placement ?? 'both', ['pin', 'free', 'both'] as const);
  const rows = values.rows?.replace(/\bclose\b/, 'close64');
  return {
    rounds: atLeast(1, 'rounds', values.rounds, base.rounds),
    seconds: atLeast(0.3, 'seconds', values.seconds, base.seconds),
    warmSeconds: base.warmSeconds,
    rows: list(rows ?? (smoke ? SMOKE_ROWS : ROWS).join(','), ROWS),
    placements: placement === 'both' ? ['pin', 'free'] : [placement],
    freeRows: smoke && placement === 'both' ? SMOKE_FREE_ROWS : ROWS,
    loops: list(values.loops ?? LOOPS.join(','), LOOPS),
    peers: list(values.peers ?? PEERS.join(','), PEERS),
    tracking: values.tracking === true,
    smoke,
    json: values.json,
    before: values.before,
    idleSeconds: atLeast(0.1, 'idle-seconds', values['idle-seconds'], base.idleSeconds),
    settleSeconds: base.settleSeconds,
    memorySteps: smoke ? [50, 100] : [1000, 8000],
    crowd: smoke ? 50 : 2000,
    bulkBytes: (smoke ? 8 : 256) * MEBIBYTE,
    cpu: atLeast(0, 'cpu', values.cpu, Math.min(1, cpus().length - 1)),
    rate: values.rate === undefined ? undefined : atLeast(1, 'rate', values.rate, 1),
  };
}

function atLeast(low: number, name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value >= low)) throw new Error(`--${name} takes a number from ${low}, not "${text}"`);
  return value;
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === text);
  if (found === undefined) throw new Error(`"${text}" is not one of ${allowed.join(', ')}`);
  return found;
}

function list<T extends string>(text: string, allowed: readonly T[]): T[] {
  if (text === 'none' || text === '') return [];
  const chosen = new Set(text.split(',').map((name) => oneOf(name, allowed)));
  return allowed.filter((name) => chosen.has(name));
}
