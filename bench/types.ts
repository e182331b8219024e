/** Words shared by all parts of the benchmark. */

/** PIN: balancer, load generator and origin servers share one CPU. FREE: nothing is pinned. */
export type Placement = 'pin' | 'free';

/** What is compared: ours, an older build of ours, a peer, or the origin server without a balancer. */
export type ContenderKind = 'ours' | 'before' | 'peer' | 'direct';

/** A contender that is running and has answered a request. */
export interface Contender {
  readonly id: string;
  readonly label: string;
  readonly kind: ContenderKind;
  /** TCP port on 127.0.0.1 that the load is offered to. */
  readonly port: number;
  /** Root of the process tree whose CPU and memory count; undefined for the direct connection. */
  readonly pid: number | undefined;
}

/** One figure of a row. `digits` are decimals in the tables. */
export interface Metric {
  readonly key: string;
  readonly label: string;
  readonly digits: number;
}

/** What one contender showed in one round. Any entry in `errors` makes its row invalid. */
export interface Sample {
  readonly metrics: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
}

/** All rounds of one row in one placement; `samples[id][round]`. */
export interface RowResult {
  readonly row: string;
  readonly title: string;
  readonly placement: Placement;
  readonly metrics: readonly Metric[];
  /** Key of the metric that is compared between contenders, lower is better; null: none is. */
  readonly primary: string | null;
  /** Conditions of this run that a reader needs, one sentence each. */
  readonly notes: readonly string[];
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

/** Seconds after which a started process must have answered its first request. */
export const START_SECONDS_MAX = 10;

/** Unit of the bulk rows: one GB is 2^30 bytes. */
export const GIGABYTE = 2 ** 30;
