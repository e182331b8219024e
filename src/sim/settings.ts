/** What one seed is made of: every size, limit, rate and weight, drawn so that seeds differ wildly. */
import type { Prng } from '../base/prng.ts';
import type { Extras } from './extras.ts';
import { drawPolicy, type Policy } from './policy.ts';
import { drawHalfClosedTimeout, drawIdleTimeout, drawServerMax } from './tuning.ts';

export interface SeedSettings extends Extras {
  /** Clients in all. */
  connections: number;
  /** Clients at once. */
  clientsMax: number;
  /** Workers; whether turns of theirs throw. */
  workers: number;
  canFail: boolean;
  /** Slots of each worker, and conn_max. */
  slotCount: number;
  connMax: number;
  pendingMax: number;
  acceptBatch: number;
  listeners: number;
  servers: number;
  /** One more server, for when all others fail. */
  hasEmergency: boolean;
  /** Nobody is tried after the first choice. */
  isStubborn: boolean;
  policy: Policy;
  /** FASTCLOSE_* */
  fastclose: number;
  /** Servers may have limits; places at each one, emergency and abuse server last, 0 for no limit. */
  hasLimits: boolean;
  serverMax: readonly number[];
  /** Small buffers and big memory. */
  smallSize: number;
  smallCount: number;
  bigLength: number;
  /** Pipes for bulk data; without one it takes big memory. */
  pipeCount: number;
  descriptorMax: number;
  /** What the process really gets until it is healed; less than it was told in some seeds. */
  descriptorLimit: number;
  /** Network. */
  latencyHighUs: number;
  ringSize: number;
  bufferLow: number;
  /** Nearly all clients come to the first listener. */
  isLopsided: boolean;
  /** Longest pause between two arrivals. */
  arrivalUs: number;
  /** Deadlines of the farm, ms; 0 none. */
  idleTimeoutMs: number;
  halfClosedTimeoutMs: number;
  connectTimeoutMs: number;
  blacklistMs: number;
  /** Longest message. */
  sizeMax: number;
  /** Monotonic time at the start. */
  startUs: number;
  /** Mean time between troubles of servers and of the world. */
  troubleUs: number;
}

/** At most: the emergency and the abuse server. */
const EXTRA_SERVERS = 2;
const DAY_US = 86_400_000_000;
/** Starts just before something wraps: u32 and i32 milliseconds, u32 microseconds; and late in a long life. */
const STARTS_US: readonly number[] = [
  1_000_000,
  2 ** 32 * 1000 - 30_000_000,
  2 ** 31 * 1000 - 30_000_000,
  2 ** 32 - 10_000_000,
  Math.floor(59.9 * DAY_US),
  Math.floor(59.9 * DAY_US) + 1,
];

/** Draws the settings of a seed. */
export function drawSettings(prng: Prng, connections: number): Omit<SeedSettings, keyof Extras> {
  const clientsMax = prng.between(4, 120);
  const slotCount = prng.chance(1, 3) ? prng.between(2, 20) : prng.between(20, 160);
  const connMax = prng.chance(1, 2) ? slotCount : prng.between(1, slotCount);
  const isTight = prng.chance(1, 4);
  const ringBits = prng.between(12, 17);
  const pendingMax = prng.chance(1, 3) ? prng.between(1, 10) : 100;
  const descriptorMax = prng.chance(1, 4) ? prng.between(8, 40) : 1000;
  // With less room than listeners, one that is idle keeps the room from another that is not.
  const room = Math.min(connMax, pendingMax, descriptorMax >> 1);
  const servers = prng.between(1, 6);
  const hasLimits = prng.chance(1, 5);
  const policy = drawPolicy(prng, servers + EXTRA_SERVERS, hasLimits);
  return {
    connections,
    workers: 1,
    canFail: false,
    clientsMax,
    slotCount: slotCount + policy.parkedMax,
    connMax,
    pendingMax,
    acceptBatch: prng.between(1, 20),
    listeners: Math.min(prng.between(1, 3), room),
    servers,
    hasEmergency: prng.chance(1, 3),
    isStubborn: prng.chance(1, 12),
    policy,
    fastclose: prng.chance(2, 3) ? 0 : prng.between(1, 3),
    hasLimits,
    serverMax: Array.from({ length: servers + EXTRA_SERVERS }, () => (hasLimits ? drawServerMax(prng) : 0)),
    // Small enough, often, that messages of this size are bulk.
    smallSize: prng.chance(1, 2) ? 16_384 : 2048,
    // Tight: fewer buffers than directions, but never so few that a held one waits for a free one.
    smallCount: isTight ? connMax * 2 + prng.between(1, 4) : slotCount * 4,
    bigLength: prng.between(0, 4) << 20,
    pipeCount: prng.between(0, 3),
    descriptorMax,
    descriptorLimit: prng.chance(1, 4) ? prng.between(8, 24) : descriptorMax + 20,
    latencyHighUs: prng.chance(1, 2) ? prng.between(1, 100) : prng.skewed(20_000) + 1,
    ringSize: 2 ** ringBits,
    bufferLow: prng.between(64, 2 ** (ringBits - 1)),
    isLopsided: prng.chance(1, 4),
    arrivalUs: prng.chance(1, 8) ? prng.skewed(100_000) + 1 : prng.skewed(2000) + 1,
    idleTimeoutMs: drawIdleTimeout(prng),
    halfClosedTimeoutMs: drawHalfClosedTimeout(prng),
    connectTimeoutMs: prng.between(1000, 5000),
    blacklistMs: prng.chance(1, 4) ? prng.skewed(30_000) : prng.between(100, 2000),
    sizeMax: prng.chance(1, 4) ? 400_000 : 80_000,
    startUs: STARTS_US[prng.below(STARTS_US.length)],
    troubleUs: prng.between(40_000, 600_000),
  };
}
