/** What a simulated loop is made of, and who is told what it does. */
import type { Descriptors } from './descriptors.ts';
import type { Sock } from './sock.ts';

/** Told of what the process under test does to its sockets: for oracles that count for themselves. */
export interface LoopObserver {
  accepted(sock: Sock): void;
  connecting(side: number, sock: Sock, key: number): void;
  closing(sock: Sock, how: number): void;
}

export interface SimLoopOptions {
  readonly sidesMax: number;
  readonly listenersMax: number;
  readonly smallSize: number;
  readonly smallCount: number;
  readonly bigLength: number;
  /** Pipes for bulk data. */
  readonly pipeCount: number;
  /** Descriptors the process may have open. */
  readonly descriptorLimit: number;
  /** The process's descriptors, when it has several loops. */
  readonly descriptors?: Descriptors;
  /** First side of the loop among all sides of the process. **Default** 0. */
  readonly sideFirst?: number;
}
