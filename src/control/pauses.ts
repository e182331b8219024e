/** Tells people when accepting rests, clients are turned away or servers cannot be reached from here, once per episode, with what would help. */
import { sumLanes, type Lanes } from '../table/columns.ts';
import type { Tables } from '../table/tables.ts';

const UNBOUND =
  'no connection to a server can come from the source address: it is none of this machine, or of another family than ' +
  "the server's, or all its ports are in use";
const WAITING = 'further clients wait in the backlog';

interface Watched {
  readonly lanes: Lanes;
  readonly text: string;
  seen: number;
  /** It was told already: a pause that lasts is one line. */
  isOngoing: boolean;
}

/** What to call now and then: looks at the counters of it. An episode is over when nothing was new at a look. */
export function pausesWatch({ counters }: Tables, say: (text: string) => void): () => void {
  const watch = (lanes: Lanes, text: string): Watched => ({ lanes, text, seen: 0, isOngoing: false });
  const watched = [
    watch(counters.pausedFull, `all connections are in use (conn_max, -x): ${WAITING}`),
    watch(counters.pausedPending, `too many connections wait for their servers (pending_max): ${WAITING}`),
    watch(counters.pausedDescriptors, `out of descriptors (ulimit -n): ${WAITING}`),
    watch(counters.unbound, UNBOUND),
    watch(counters.turnedAway, 'the backlog is full (-q): further clients are reset'),
  ];
  return () => {
    for (const pause of watched) {
      const count = sumLanes(pause.lanes);
      const isNew = count > pause.seen;
      if (isNew && !pause.isOngoing) say(pause.text);
      pause.isOngoing = isNew;
      pause.seen = count;
    }
  };
}
