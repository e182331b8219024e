/** What the actors counted, to be compared with what the engine's tables say. */
import { lane } from '../table/columns.ts';
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
  private compareConnects(tables: Tables, worker: number, isAmple: boolean): void {
    const { connected, failedOver, unserved, denied, refused } = tables.counters;
    within('connected', lane(connected, worker), this.served, this.reported);
    within('failedOver', lane(failedOver, worker), isAmple ? this.retried : 0, this.retried);
    const turnedAway = lane(unserved, worker) + lane(denied, worker) + lane(refused, worker);
    within('unserved, denied and refused', turnedAway, this.unservedLow, this.unservedHigh);
    within('denied', lane(denied, worker), 0, this.deniedHigh);
    within('refused', lane(refused, worker), 0, this.refusedHigh);
  }

  /** At the end of a run. Bytes thrown away by resets make the difference between the two ends of a direction. */
  compare(tables: Tables, worker: number, isAmple: boolean): void {
    this.compareConnects(tables, worker, isAmple);
    const { counters } = tables;
    const accepted = lane(counters.accepted, worker);
    if (accepted !== this.accepted)
      violate('counters', `${this.accepted} clients were accepted, the counter says ${accepted}`);
    const ended =
      lane(counters.closedOrderly, worker) +
      lane(counters.closedAbort, worker) +
      lane(counters.closedIdle, worker) +
      lane(counters.closedStop, worker) +
      lane(counters.denied, worker) +
      lane(counters.refused, worker) +
      lane(counters.unserved, worker);
    if (ended !== accepted) violate('counters', `${accepted} connections were accepted, but ${ended} endings counted`);
    within('bytesUp', lane(counters.bytesUp, worker), this.serverReceived, this.clientSent);
    within('bytesDown', lane(counters.bytesDown, worker), this.clientReceived, this.serverSent);
  }
}

function within(name: string, value: number, low: number, high: number): void {
  if (value < low || value > high) violate('counters', `${name} is ${value}, the actors say ${low} to ${high}`);
}
