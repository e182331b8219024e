/** That somebody accepts: with several workers, each may think that it is another's turn; and idlers make room. */
import { sumLanes } from '../table/columns.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import { connectionsUsed, placesTaken } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import type { Crew } from './crew.ts';
import type { SimLoop } from './loop.ts';
import type { SeedSettings } from './settings.ts';
import type { SimListener } from './sock.ts';
import type { Tuning } from './tuning.ts';
import { violate } from './violation.ts';

/** Looks in a row, 250 ms apart. */
const LOOKS_MAX = 12;

interface Scene {
  readonly tables: Tables;
  readonly tuning: Tuning;
  readonly settings: SeedSettings;
  readonly shortageUs: number;
  readonly isStopping: boolean;
  readonly crew: Crew | undefined;
  readonly loop: SimLoop;
}

export class Patience {
  private looks = 0;

  /** To be called now and then, while all workers are there. */
  look(scene: Scene, listeners: readonly SimListener[]): void {
    const isWaited = listeners.some(({ queue }) => queue.length > 0);
    this.looks = isWaited && mustAccept(scene) ? this.looks + 1 : 0;
    if (this.looks > LOOKS_MAX) violate('nobody-accepts', 'clients wait, there are places, and no worker accepts');
  }
}

/** Whether limits leave no reason to let clients wait. Each worker has its part of `pending_max`. */
function mustAccept(scene: Scene): boolean {
  const { tables, tuning, settings, shortageUs, isStopping } = scene;
  if (isStopping || shortageUs >= 0 || isAccepting(scene)) return false;
  const { gauges } = tables;
  const reserved = placesTaken(tables) - connectionsUsed(tables);
  const descriptors = (settings.descriptorMax - sumLanes(gauges.descriptors)) / 2;
  // Idlers leave room to clients.
  const isRoom = placesTaken(tables) - sumLanes(gauges.idlers) < tuning.connMax && descriptors > reserved + 1;
  return isRoom && sumLanes(gauges.pending) < Math.floor(tuning.pendingMax / settings.workers);
}

function isAccepting({ crew, loop, tables, settings }: Scene): boolean {
  if (crew) return crew.loops.some((one) => one.isAccepting);
  const { fd } = configAt(tables, currentVersion(tables)).listeners;
  for (let i = 0; i < settings.listeners; i++) if ((loop.descriptors.find(fd[i])?.inFlight ?? 0) > 0) return true;
  return false;
}
