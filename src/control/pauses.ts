/** Tells people when accepting rests, once per episode, with what would help. */
import { sumLanes, type Lanes } from '../table/columns.ts';
import type { Tables } from '../table/tables.ts';

/** Looks this rarely, so that an idle process stays idle. */
const LOOK_MS = 5000;

interface Watched {
  readonly lanes: Lanes;
  readonly text: string;
  seen: number;
  /** It was told already: a pause that lasts is one line. */
  isOngoing: boolean;
}

/** Watches the pause counters. @returns the timer, to be cleared; it does not keep the process alive. */
export function watchPauses(balancer: { readonly tables: Tables }, say: (text: string) => void): NodeJS.Timeout {
  const { counters } = balancer.tables;
  const watched: Watched[] = [
    { lanes: counters.pausedFull, text: 'all connections are in use (conn_max, -x)', seen: 0, isOngoing: false },
    {
      lanes: counters.pausedPending,
      text: 'too many connections wait for their servers (pending_max)',
      seen: 0,
      isOngoing: false,
    },
    { lanes: counters.pausedDescriptors, text: 'out of descriptors (ulimit -n)', seen: 0, isOngoing: false },
  ];
  const look = (): void => {
    for (const pause of watched) {
      const count = sumLanes(pause.lanes);
      const isNew = count > pause.seen;
      if (isNew && !pause.isOngoing) say(`${pause.text}: further clients wait in the backlog`);
      pause.isOngoing = isNew;
      pause.seen = count;
    }
  };
  return setInterval(look, LOOK_MS).unref();
}
