/**
 * What must be true when an actor sees an end or a reset.
 *
 * The rules speak of what the actors did and saw, never of how the engine works. `CloseFacts` are noted the moment
 * the process under test closes a socket, because later nobody remembers.
 */
import { FARM_F_PRIO, FARM_F_WEIGHT, FASTCLOSE_DOWN, FASTCLOSE_UP } from '../table/schema.ts';
import type { Actor } from './actor.ts';
import type { Books } from './books.ts';
import type { Dialogue } from './dialogue.ts';
import { isUnheard, judgeAnswer } from './extras.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SimServer } from './server.ts';
import type { SeedSettings } from './settings.ts';
import type { Tuning } from './tuning.ts';
import { violate } from './violation.ts';

const F_FASTCLOSE = faultIndex('world.fastclose');
const F_ANSWERED = faultIndex('client.answered');

/** A side whose other side is gone may be cut off when it takes nothing for this long, if not earlier. */
const DRAIN_US = 10_000_000;
/** Progress is looked at this often, so a deadline may count from that much earlier. */
const COARSE_US = 600_000;
/** Deadlines are kept within a second; slow turns, late completions and latency come on top. */
const LATE_US = 1_000_000 + 500_000;

/** What the rules need to know of the run. */
export interface Scene {
  readonly settings: SeedSettings;
  readonly servers: readonly SimServer[];
  readonly books: Books;
  readonly tuning: Tuning;
  readonly faults: Faults;
  readonly isStopping: boolean;
  /** When a descriptor was last refused. */
  readonly shortageUs: number;
}

/** An actor has read a clean end: the other speaker must have ended in order, and every byte must be here. */
export function judgeEof(actor: Actor, scene: Scene): void {
  const other = otherEnd(actor);
  if (actor.isClient && actor.dialogue?.isAnswered === true) {
    scene.faults.note(F_ANSWERED);
    judgeAnswer(actor);
    return;
  }
  // Its own end has ended all, as the farm wants it.
  if (isFastclosedBy(actor, scene.settings)) {
    if (other?.isFinSent !== true) scene.faults.note(F_FASTCLOSE);
    return;
  }
  if (other === null) {
    violate('clean-end', `${actor.describe()} reads a clean end, but nobody has served it`);
    return;
  }
  // A connect that was given up just as it succeeded: the server meets somebody who leaves without a word.
  if (!actor.isClient && actor.received === 0 && actor.facts.isClosed && !actor.facts.wasReported) return;
  if (!other.isFinSent) {
    const why = other.isAborted ? 'has aborted' : 'has not ended its stream';
    violate('abort-as-success', `${actor.describe()} reads a clean end, but the ${other.describe()} ${why}`);
  }
  if (actor.received !== other.sent)
    violate('truncation', `${actor.describe()} reads a clean end, but the ${other.describe()} has sent more`);
}

/** An actor was reset: there must be a reason, and what was complete must have arrived whole. */
export function judgeReset(actor: Actor, scene: Scene): void {
  if (scene.isStopping) return;
  const dialogue = actor.dialogue as Dialogue;
  if (dialogue.isLost) return;
  const other = otherEnd(actor);
  if (!actor.facts.isClosed) violate('reset', `${actor.describe()} is reset though its socket was not closed`);
  if (isFastclosedBy(actor, scene.settings) || isExpired(actor, other, scene.settings)) return;
  // Who is answered while it says more may be reset.
  if (isUnheard(actor, dialogue, scene) || (actor.isClient && dialogue.isAnswered && actor.sent > 0)) return;
  if (actor.isClient && dialogue.reported === 0) return judgeUnserved(actor, dialogue, scene);
  // Connected, but the server died before it took the connection from its backlog.
  if (other === null) return;
  // The connect was given up, or its success came too late.
  if (!actor.isClient && !actor.facts.wasReported) return;
  const isOverrun = !other.isOpen && actor.sent > other.received;
  if (!other.isAborted && !isOverrun && !isFastclosedBy(other, scene.settings))
    violate(
      'reset',
      `${actor.describe()} is reset after ${Math.round(actor.facts.idleUs / 1000)} ms without progress, but the ${other.describe()} is well`,
    );
  if (other.isFinSent && other.facts.hadEnd && actor.received !== other.sent) {
    violate(
      'reply-cut',
      `${actor.describe()} is reset and misses bytes, but the ${other.describe()} had sent all and ended in order`,
    );
  }
}

/** A client may go unserved only when no server was there for it all the time. */
function judgeUnserved(client: Actor, dialogue: Dialogue, scene: Scene): void {
  if (scene.shortageUs >= dialogue.connectUs) return;
  // A server that resets what it has just accepted may do so before the connect is reported: then it failed.
  if (dialogue.session?.isAborted === true) return;
  if (dialogue.mayBeRefused) return;
  const { books } = scene;
  const wasWell = (server: SimServer): boolean => wasThere(server, dialogue, scene);
  if (books.isDenied(dialogue)) {
    const abuse = scene.servers.find(({ isAbuse }) => isAbuse);
    if (abuse !== undefined && wasWell(abuse))
      violate('unserved', `${client.describe()} is denied, and not served though the abuse server was well`);
    return;
  }
  if (scene.settings.isStubborn) {
    const own = scene.servers.filter((server) => !server.isExtra && server.isOf(dialogue.farm));
    if (hasChoice(dialogue, scene) && own.every(wasWell))
      violate('unserved', `${client.describe()} is not served though all servers were well`);
    return;
  }
  const server = scene.servers.find(
    (candidate) =>
      candidate.isOf(dialogue.farm) &&
      wasWell(candidate) &&
      (candidate.isEmergency || (!candidate.isAbuse && hasChoice(dialogue, scene))),
  );
  if (server !== undefined)
    violate('unserved', `${client.describe()} is not served though server ${server.index} was well`);
}

/** Whether the server was there for the client all the time. */
function wasThere(server: SimServer, dialogue: Dialogue, { books }: Scene): boolean {
  return server.goodSinceUs < dialogue.connectUs && books.permits(books.policy.acl[server.index], dialogue);
}

/** Whether there was surely a first server to walk on from: by weight there is none when those that have any are down. */
function hasChoice(dialogue: Dialogue, { books, servers }: Scene): boolean {
  const { flags, weight } = books.policy;
  if ((flags & FARM_F_PRIO) !== 0 || (flags & FARM_F_WEIGHT) === 0) return true;
  return servers.some(
    (server) =>
      !server.isExtra &&
      server.isOf(dialogue.farm) &&
      weight[server.index] > 0 &&
      server.goodSinceUs < dialogue.connectUs,
  );
}

/** Who may be connected to whom. */
export function judgeAccess(dialogue: Dialogue, server: SimServer, { books }: Scene): void {
  if (!server.isOf(dialogue.farm))
    violate('farm', `dialogue ${dialogue.id} of farm ${dialogue.farm} goes to server ${server.index} of another`);
  const isDenied = books.isDenied(dialogue);
  if (isDenied !== server.isAbuse)
    violate('access', `dialogue ${dialogue.id}, ${isDenied ? 'denied' : 'permitted'}, goes to server ${server.index}`);
  if (!books.permits(books.policy.acl[server.index], dialogue))
    violate('access', `dialogue ${dialogue.id} goes to server ${server.index}, whose list denies it`);
}

/** The emergency server is for clients whom no other server takes. */
export function judgeEmergency(dialogue: Dialogue, scene: Scene): void {
  if (scene.shortageUs >= dialogue.connectUs || dialogue.session?.isAborted === true) return;
  if (!hasChoice(dialogue, scene)) return;
  const server = scene.servers.find(
    (candidate) => !candidate.isExtra && candidate.isOf(dialogue.farm) && wasThere(candidate, dialogue, scene),
  );
  if (server !== undefined)
    violate('emergency', `dialogue ${dialogue.id} goes to the emergency server though server ${server.index} was well`);
}

/** Whether the actor's end of stream may end the whole connection. */
function isFastclosedBy(actor: Actor, settings: SeedSettings): boolean {
  return actor.isFinSent && (settings.fastclose & (actor.isClient ? FASTCLOSE_DOWN : FASTCLOSE_UP)) !== 0;
}

/** Whether a deadline explains that the dialogue was ended. */
function isExpired(actor: Actor, other: Actor | null, settings: SeedSettings): boolean {
  const { idleUs, idleLowMs, halfClosedLowMs } = actor.facts;
  const hasEnd = actor.isFinSent || (other !== null && other.isFinSent);
  const isOneGone = actor.isAborted || (other !== null && (!other.isOpen || isFastclosedBy(other, settings)));
  if (idleLowMs > 0 && idleUs >= idleLowMs * 1000 - COARSE_US) return true;
  if (hasEnd && halfClosedLowMs > 0 && idleUs >= halfClosedLowMs * 1000 - COARSE_US) return true;
  return isOneGone && idleUs >= DRAIN_US - COARSE_US;
}

/** Everything that stalls is ended in time when there is a deadline. */
export function judgeDeadlines(
  dialogues: Iterable<Dialogue>,
  nowUs: number,
  { tuning, settings, shortageUs }: Scene,
): void {
  if (tuning.idleTimeoutMs === 0) return;
  const limitUs = Math.max(tuning.idleTimeoutMs, tuning.halfClosedTimeoutMs) * 1000 + LATE_US;
  for (const dialogue of dialogues) {
    const { up } = dialogue;
    if (dialogue.tries === 0 && dialogue.mayPark && shortageUs < dialogue.acceptedUs)
      judgeParked(dialogue, nowUs, tuning, settings);
    if (up === null || !up.isReported) continue;
    // When one end is gone the other is given its own time to take what was meant for it.
    const sinceUs = Math.max(dialogue.progressUs, tuning.changedUs, drainUs(dialogue, settings));
    if (nowUs - sinceUs > limitUs)
      violate(
        'deadline',
        `dialogue ${dialogue.id} stands though nothing has moved for ${Math.round((nowUs - sinceUs) / 1000)} ms`,
      );
  }
}

/** Who is parked waits no longer than an idle connection may stand, and as long again to say something, where that counts. */
function judgeParked(dialogue: Dialogue, nowUs: number, tuning: Tuning, settings: SeedSettings): void {
  const sinceUs = Math.max(dialogue.acceptedUs, tuning.changedUs);
  const waits = settings.isPeeking || settings.isDummy ? 2 : 1;
  if (nowUs - sinceUs > waits * tuning.idleTimeoutMs * 1000 + LATE_US)
    violate('deadline', `dialogue ${dialogue.id} is parked for ${Math.round((nowUs - sinceUs) / 1000)} ms`);
}

/** When one end of the dialogue left, or ended in a way that ends all; 0 when none has. */
function drainUs({ client, session }: Dialogue, settings: SeedSettings): number {
  let last = 0;
  for (const actor of [client, session]) {
    if (actor === null) continue;
    last = Math.max(last, actor.goneUs, isFastclosedBy(actor, settings) ? actor.endedUs : 0);
  }
  return last;
}

/** The other end of the dialogue: for a client the session that serves it. */
function otherEnd(actor: Actor): Actor | null {
  const { dialogue } = actor;
  if (dialogue === null) return null;
  return actor.isClient ? dialogue.session : dialogue.client;
}
