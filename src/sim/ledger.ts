/** What the actors counted, to be compared with what the engine's tables say. */
import { sumLanes } from '../table/columns.ts';
import type { Tables } from '../table/tables.ts';
import { violate } from './violation.ts';

export class SideLedger {
  accepted = 0;
  /** Connects that were reported as a success. */
  reported = 0;
  /** Server ends that heard from the process under test. */
  served = 0;
  /** Connects begun for a client that had a connect before. */
  retried = 0;
  /** Clients reset without ever having had a server: all, and those of which nothing else can be the reason. */
  unservedHigh = 0;
  unservedLow = 0;
  /** Of these, those that may have been denied, and those that may have been refused. */
  deniedHigh = 0;
  refusedHigh = 0;
  clientSent = 0;
  clientReceived = 0;
  serverSent = 0;
  serverReceived = 0;

  /** The engine's own count of descriptors lags behind while accepts are on their way; it may never be too high. */
  checkDescriptors(open: number, counted: number): void {
    if (counted > open) violate('descriptors', `${open} descriptors are open, the worker says ${counted}`);
  }

  /** @param isAmple never a lack of descriptors, which makes clients wait and then begin anew. */
  private compareConnects(tables: Tables, isAmple: boolean): void {
    const { connected, failedOver, unserved, denied, refused } = tables.counters;
    within('connected', sumLanes(connected), this.served, this.reported);
    within('failedOver', sumLanes(failedOver), isAmple ? this.retried : 0, this.retried);
    const turnedAway = sumLanes(unserved) + sumLanes(denied) + sumLanes(refused);
    within('unserved, denied and refused', turnedAway, this.unservedLow, this.unservedHigh);
    within('denied', sumLanes(denied), 0, this.deniedHigh);
    within('refused', sumLanes(refused), 0, this.refusedHigh);
  }

  /** At the end of a run. Bytes thrown away by resets make the difference between the two ends of a direction. */
  compare(tables: Tables, isAmple: boolean): void {
    this.compareConnects(tables, isAmple);
    const { counters } = tables;
    const accepted = sumLanes(counters.accepted);
    if (accepted !== this.accepted)
      violate('counters', `${this.accepted} clients were accepted, the counter says ${accepted}`);
    const ended =
      sumLanes(counters.closedOrderly) +
      sumLanes(counters.closedAbort) +
      sumLanes(counters.closedIdle) +
      sumLanes(counters.closedStop) +
      sumLanes(counters.denied) +
      sumLanes(counters.refused) +
      sumLanes(counters.unserved);
    if (ended !== accepted) violate('counters', `${accepted} connections were accepted, but ${ended} endings counted`);
    within('bytesUp', sumLanes(counters.bytesUp), this.serverReceived, this.clientSent);
    within('bytesDown', sumLanes(counters.bytesDown), this.clientReceived, this.serverSent);
  }
}

function within(name: string, value: number, low: number, high: number): void {
  if (value < low || value > high) violate('counters', `${name} is ${value}, the actors say ${low} to ${high}`);
}
