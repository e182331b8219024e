/** What some seeds have beside everything else: `peek`, `dummy`, `idlers`, several farms; and what must be true of them. */
import type { Prng } from '../base/prng.ts';
import { sumLanes } from '../table/columns.ts';
import type { Tables } from '../table/tables.ts';
import type { Actor } from './actor.ts';
import { TRICK_SILENT, type Conduct, type Dialogue } from './dialogue.ts';
import type { Scene } from './oracle.ts';
import { violate } from './violation.ts';
import { DUMMY_ANSWER } from '../engine/peeking.ts';

export interface Extras {
  /** A server is chosen when the client has said something. */
  isPeeking: boolean;
  /** Clients are answered, and given no server. */
  isDummy: boolean;
  /** Connections to servers without a client. */
  idlers: number;
  /** Listeners and servers are dealt out to so many farms, which have all else alike. */
  farms: number;
}

/** A silent client is looked at this early at the soonest, when there is no idle timeout: no connect timeout is shorter. */
const SILENT_MIN_US = 1_000_000;
/** Deadlines may count from so much earlier, and are kept within so much later. */
const COARSE_US = 600_000;
const LATE_US = 1_500_000;
/** Idlers are there within so much time of an untroubled world, however many connects have to fail first. */
const IDLERS_US = 60_000_000;

export function drawExtras(prng: Prng): Extras {
  const isDummy = prng.chance(1, 16);
  return {
    isDummy,
    isPeeking: !isDummy && prng.chance(1, 6),
    idlers: prng.chance(1, 4) ? 1 + prng.skewed(60) : 0,
    farms: prng.between(1, 3),
  };
}

/** As many farms as have a listener and a server each. A source is one for all farms, and has one book: not where it has a limit. */
export function farmsWithin({ farms, listeners, servers, policy }: Scene['settings']): number {
  return policy.sourceMax > 0 ? 1 : Math.min(farms, listeners, servers);
}

/** Where clients are looked at first, many of those who fall silent never say a word. */
export function hush(conduct: Conduct, prng: Prng, { isPeeking, isDummy }: Extras): void {
  if ((isPeeking || isDummy) && conduct.trick === TRICK_SILENT && prng.chance(1, 2)) conduct.trickAt = 0;
}

/** Whether clients are served in the order in which they came: not who is looked at first, or waits for an idler. */
export function isServedInOrder({ isPeeking, isDummy, idlers, hasLimits }: Scene['settings']): boolean {
  return !isPeeking && !isDummy && (idlers === 0 || !hasLimits);
}

/** A connect is begun for the dialogue: was there anything to look at? */
export function judgeLook({ id, client, isAnswered }: Dialogue, { settings }: Scene): void {
  if (isAnswered) violate('dummy', `dialogue ${id} is given a server instead of an answer`);
  if (!settings.isPeeking || client === null) return;
  if (client.sent === 0 && !client.isFinSent && !client.isAborted)
    violate('peek', `dialogue ${id} is given a server though its client has not said anything`);
}

/** Whether the deadline of those who are looked at explains that the client was reset. */
export function isUnheard({ facts }: Actor, { tries }: Dialogue, { settings }: Scene): boolean {
  if (!settings.isPeeking && !settings.isDummy) return false;
  return tries === 0 && facts.idleLowMs === 0 && facts.idleUs >= SILENT_MIN_US - COARSE_US;
}

/** Silent clients are ended in time. */
export function judgeSilent(
  dialogues: Iterable<Dialogue>,
  nowUs: number,
  { settings, tuning, shortageUs }: Scene,
): void {
  if (!settings.isPeeking && !settings.isDummy) return;
  const limitUs = (tuning.idleTimeoutMs || tuning.connectTimeoutMs) * 1000 + LATE_US;
  for (const { id, client, tries, mayPark, acceptedUs } of dialogues) {
    if (client === null || tries > 0 || mayPark || shortageUs >= acceptedUs) continue;
    const isSilent = client.isOpen && client.sent === 0 && !client.isFinSent;
    const waitedUs = nowUs - Math.max(acceptedUs, tuning.changedUs);
    if (isSilent && waitedUs > limitUs)
      violate('deadline', `dialogue ${id} has said nothing for ${Math.round(waitedUs / 1000)} ms, and stands`);
  }
}

/** The client of an answered dialogue reads the end: it was told all, or had asked nothing. */
export function judgeAnswer(client: Actor): void {
  const isWhole = client.received === DUMMY_ANSWER.length;
  if (!isWhole && client.sent > 0) violate('dummy', `${client.describe()} reads the end of half an answer`);
  if (client.sent === 0 && client.received > 0) violate('dummy', `${client.describe()} is answered without a question`);
}

/** There are never more idlers than wanted. */
export function judgeIdlers({ tables, settings }: { readonly tables: Tables } & Pick<Scene, 'settings'>): void {
  if (settings.idlers === 0) return;
  const idlers = sumLanes(tables.gauges.idlers);
  if (idlers > settings.idlers) violate('idlers', `${idlers} idlers, ${settings.idlers} are wanted`);
}

interface HealedScene extends Scene {
  readonly tables: Tables;
  readonly clock: { readonly nowUs: number };
}

/** When nothing goes wrong any more and nobody is there, idlers are. @returns whether that has been seen. */
export function hasIdlers(scene: HealedScene, healedUs: number): boolean {
  const { tables, settings, clock } = scene;
  if (settings.idlers === 0 || !mayHaveIdlers(scene)) return true;
  if (sumLanes(tables.gauges.idlers) > 0) return true;
  if (clock.nowUs - healedUs > 10 * IDLERS_US) violate('idlers', 'none is made though everything is well');
  return false;
}

/**
 * Whether nothing that is set stands in their way: there is room beside a client of each listener, in the first worker
 * and at a server.
 */
function mayHaveIdlers({ settings, tuning, servers, books }: HealedScene): boolean {
  const { workers, descriptorMax, listeners } = settings;
  const isRoom =
    tuning.connMax > workers + listeners &&
    tuning.pendingMax / workers > 1 + listeners &&
    descriptorMax > (4 + 2 * listeners) * workers;
  const isServer = servers.some(
    ({ index, farm, isExtra, isConfigured }) =>
      !isExtra &&
      farm === 0 &&
      isConfigured &&
      tuning.serverMax[index] === 0 &&
      books.policy.lists[books.policy.acl[index]].length === 0,
  );
  return isRoom && isServer;
}
