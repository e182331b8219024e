/**
 * What must be true when an actor sees an end or a reset.
 *
 * The rules speak of what the actors did and saw, never of how the engine works. `CloseFacts` are noted the moment
 * the process under test closes a socket, because later nobody remembers.
 */
import type { Actor } from './actor.ts';
import type { Dialogue } from './dialogue.ts';
import type { SimServer } from './server.ts';
import type { SeedSettings } from './settings.ts';
import { violate } from './violation.ts';

/** A side whose other side is gone may be cut off when it takes nothing for this long. */
const DRAIN_US = 10_000_000;
/** Progress is looked at this often, so a deadline may count from that much earlier. */
const COARSE_US = 600_000;
/** Deadlines are kept within a second; slow turns, late completions and latency come on top. */
const LATE_US = 1_000_000 + 500_000;

/** What the rules need to know of the run. */
export interface Scene {
  readonly settings: SeedSettings;
  readonly servers: readonly SimServer[];
  readonly isStopping: boolean;
  /** When a descriptor was last refused. */
  readonly shortageUs: number;
}

/** An actor has read a clean end: the other speaker must have ended in order, and every byte must be here. */
export function judgeEof(actor: Actor): void {
  const other = otherEnd(actor);
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
  const other = otherEnd(actor);
  if (!actor.facts.isClosed) violate('reset', `${actor.describe()} is reset though its socket was not closed`);
  if (isExpired(actor, other, scene.settings)) return;
  if (actor.isClient && dialogue.reported === 0) return judgeUnserved(actor, dialogue, scene);
  // Connected, but the server died before it took the connection from its backlog.
  if (other === null) return;
  // The connect was given up, or its success came too late.
  if (!actor.isClient && !actor.facts.wasReported) return;
  const isOverrun = !other.isOpen && actor.sent > other.received;
  if (!other.isAborted && !isOverrun)
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
  for (const server of scene.servers) {
    if (server.goodSinceUs < dialogue.connectUs)
      violate('unserved', `${client.describe()} is not served though server ${server.index} was well`);
  }
}

/** Whether a deadline explains that the dialogue was ended. */
function isExpired(actor: Actor, other: Actor | null, settings: SeedSettings): boolean {
  const { idleUs } = actor.facts;
  const hasEnd = actor.isFinSent || (other !== null && other.isFinSent);
  const isOneGone = actor.isAborted || (other !== null && !other.isOpen);
  if (settings.idleTimeoutMs > 0 && idleUs >= settings.idleTimeoutMs * 1000 - COARSE_US) return true;
  if (hasEnd && settings.halfClosedTimeoutMs > 0 && idleUs >= settings.halfClosedTimeoutMs * 1000 - COARSE_US)
    return true;
  return isOneGone && idleUs >= DRAIN_US - COARSE_US;
}

/** Everything that stalls is ended in time when there is a deadline. */
export function judgeDeadlines(dialogues: Iterable<Dialogue>, nowUs: number, settings: SeedSettings): void {
  if (settings.idleTimeoutMs === 0) return;
  const limitUs = Math.max(settings.idleTimeoutMs, settings.halfClosedTimeoutMs) * 1000 + LATE_US;
  for (const dialogue of dialogues) {
    const { up } = dialogue;
    if (up === null || !up.isReported) continue;
    const idleUs = nowUs - dialogue.progressUs;
    if (idleUs <= limitUs) continue;
    // When one end is gone the other is given its own time to take what was meant for it.
    const goneUs = Math.max(dialogue.client?.goneUs ?? 0, dialogue.session?.goneUs ?? 0);
    const isDrained = goneUs > 0 && nowUs - Math.max(goneUs, dialogue.progressUs) <= DRAIN_US + 2 * LATE_US;
    if (!isDrained)
      violate(
        'deadline',
        `dialogue ${dialogue.id} stands though nothing has moved for ${Math.round(idleUs / 1000)} ms`,
      );
  }
}

/** The other end of the dialogue: for a client the session that serves it. */
function otherEnd(actor: Actor): Actor | null {
  const { dialogue } = actor;
  if (dialogue === null) return null;
  return actor.isClient ? dialogue.session : dialogue.client;
}
