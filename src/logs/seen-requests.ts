/**
 * Requests that came to Pen and wait for the line in which a web server tells of them.
 *
 * Each is given to one line, so two clients that ask for the same at once are both named. Which one a line gets is a guess
 * where several would do. Times that differ by no more than a second say nothing, so of those it is the first to come;
 * else the nearest in time, since most requests are short. A web server writes its line when the request has ended, so one
 * that comes later than its line is a matter of clocks that differ, which they do not much: it counts as farther away.
 */
import { ownText } from './own-text.ts';

/** Times this close are the same: web servers write whole seconds, and lines take a moment on their way. */
const SAME_SECONDS = 1;
/** A minute before its line is as likely as a second after it. */
const LATER_WEIGHT = 60;

/** A request, in seconds of whatever clock. */
export class SeenRequest {
  readonly client: string;
  readonly at: number;
  /** A line has it, or it is forgotten. */
  isTaken = false;

  constructor(client: string, at: number) {
    this.client = client;
    this.at = at;
  }
}

/** A place in the list of one key, in the order of time; and in the list of all, in the order of coming. */
interface Place {
  readonly seen: SeenRequest;
  readonly list: List;
  before: Place | undefined;
  after: Place | undefined;
  added: Place | undefined;
}

interface List {
  readonly key: string;
  /** Those that nobody has taken, and some that somebody has. */
  first: Place | undefined;
  last: Place | undefined;
  /** Where the last search ended: the next one is not far. */
  near: Place | undefined;
  /** Places that are not forgotten. */
  count: number;
  lastTaken: SeenRequest | undefined;
}

/** @cost constant for what comes in the order of time, as lines of logs nearly do. */
export class SeenRequests {
  private readonly lists = new Map<string, List>();
  private oldest: Place | undefined;
  private newest: Place | undefined;

  /** Under how many keys there is something. */
  get keyCount(): number {
    return this.lists.size;
  }

  add(key: string, seen: SeenRequest): void {
    let list = this.lists.get(key);
    if (!list) {
      const own = ownText(key);
      list = { key: own, first: undefined, last: undefined, near: undefined, count: 0, lastTaken: undefined };
      this.lists.set(own, list);
    }
    let before = list.last;
    while (before && before.seen.at > seen.at) before = before.before;
    const place: Place = { seen, list, before, after: before ? before.after : list.first, added: undefined };
    if (place.after) place.after.before = place;
    else list.last = place;
    if (before) before.after = place;
    else list.first = place;
    list.count++;
    if (this.newest) this.newest.added = place;
    else this.oldest = place;
    this.newest = place;
  }

  /** Takes the one that a line of that time is most likely about. @returns its client. */
  take(key: string, at: number, reach: number): string | undefined {
    const list = this.lists.get(key);
    const place = list && nearest(list, at, reach);
    if (!place) return undefined;
    place.seen.isTaken = true;
    place.list.lastTaken = place.seen;
    remove(place);
    return place.seen.client;
  }

  /** Who was named last for such a line, when nobody is left: there are lines that Pen has not told of. */
  again(key: string, at: number, reach: number): string | undefined {
    const seen = this.lists.get(key)?.lastTaken;
    return seen && Math.abs(seen.at - at) <= reach ? seen.client : undefined;
  }

  /** Forgets those that came first, as long as they are old. */
  forget(isOld: (seen: SeenRequest) => boolean): void {
    while (this.oldest && isOld(this.oldest.seen)) {
      const place = this.oldest;
      this.oldest = place.added;
      place.seen.isTaken = true;
      remove(place);
      if (--place.list.count === 0) this.lists.delete(place.list.key);
    }
    if (!this.oldest) this.newest = undefined;
  }
}

/** Of those within reach the first within the same second; else the nearest. */
function nearest(list: List, at: number, reach: number): Place | undefined {
  const same = Math.min(SAME_SECONDS, reach);
  let later = list.near ?? list.first;
  while (later?.before && later.before.seen.at >= at - same) later = later.before;
  while (later && later.seen.at < at - same) later = later.after;
  let earlier = untaken(later ? later.before : list.last, 'before');
  later = untaken(later, 'after');
  list.near = later ?? earlier;
  if (later && later.seen.at > at + reach) later = undefined;
  if (earlier && earlier.seen.at < at - reach) earlier = undefined;
  if (!later || !earlier || later.seen.at <= at + same) return later ?? earlier;
  return (later.seen.at - at) * LATER_WEIGHT < at - earlier.seen.at ? later : earlier;
}

/** Requests may be in several collections, and have been taken from another one. */
function untaken(place: Place | undefined, direction: 'before' | 'after'): Place | undefined {
  while (place?.seen.isTaken === true) {
    const next: Place | undefined = place[direction];
    remove(place);
    place = next;
  }
  return place;
}

function remove(place: Place): void {
  const { list, before, after } = place;
  if (before) before.after = after;
  else if (list.first === place) list.first = after;
  if (after) after.before = before;
  else if (list.last === place) list.last = before;
  if (list.near === place) list.near = after ?? before;
  place.before = undefined;
  place.after = undefined;
}
