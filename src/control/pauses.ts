/** Tells people when accepting rests or clients are turned away, once per episode, with what would help. */
import { sumLanes, type Lanes } from '../table/columns.ts';
import type { Tables } from '../table/tables.ts';

/** Looks this rarely, so that an idle process stays idle. */
const LOOK_MS = 5000;
const WAITING = 'further clients wait in the backlog';

interface Watched {
  readonly lanes: Lanes;
  readonly text: string;
  seen: number;
  /** It was told already: a pause that lasts is one line. */
  isOngoing: boolean;
}

/** Watches the counters of it. @returns the timer, to be cleared; it does not keep the process alive. */
export function watchPauses(balancer: { readonly tables: Tables }, say: (text: string) => void): NodeJS.Timeout {
  const { counters } = balancer.tables;
  const watch = (lanes: Lanes, text: string): Watched => ({ lanes, text, seen: 0, isOngoing: false });
  const watched = [
    watch(counters.pausedFull, `all connections are in use (conn_max, -x): ${WAITING}`),
    watch(counters.pausedPending, `too many connections wait for their servers (pending_max): ${WAITING}`),
    watch(counters.pausedDescriptors, `out of descriptors (ulimit -n): ${WAITING}`),
    watch(counters.turnedAway, 'the backlog is full (-q): further clients are reset'),
  ];
  const look = (): void => {
    for (const pause of watched) {
      const count = sumLanes(pause.lanes);
      const isNew = count > pause.seen;
      if (isNew && !pause.isOngoing) say(pause.text);
      pause.isOngoing = isNew;
      pause.seen = count;
    }
  };
  return setInterval(look, LOOK_MS).unref();
}
