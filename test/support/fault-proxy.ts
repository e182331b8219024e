/**
 * A bad network between two ends of a stream: a TCP proxy that delays, slices, limits, damages, stalls and breaks what
 * it passes on, each direction by itself, and changeable while it runs.
 *
 * All chance comes from one seed, by way of connection number, direction and kind of fault, and belongs to places in
 * the stream, not to moments: the same seed cuts, damages and delays the same bytes, however the kernel hands them
 * over. Like all peers of the tests it runs inside `until` only, in the test's own thread.
 */
import { Prng } from '../../src/base/prng.ts';
import { KIND_UNIX, type Endpoint } from '../../src/base/endpoint.ts';
import { Direction, NO_FAULTS, Side, type Faults } from './fault-direction.ts';
import { reactor, READABLE, type Watched } from './reactor.ts';
import { addressOf } from './server.ts';
import { ip, must, sockets } from './sockets.ts';
import { EAGAIN, EINPROGRESS } from '../../src/base/errno.ts';

const BACKLOG = 4096;

/** Faults of both directions. */
export interface Weather {
  readonly toServer: Faults;
  readonly toClient: Faults;
}

/** A connection through the proxy. */
export class Link {
  /** Place in the order of accepts, from 0. */
  readonly number: number;
  readonly weather: Weather;
  readonly toServer: Direction;
  readonly toClient: Direction;
  private readonly client: Side;
  private readonly server: Side;

  constructor(number: number, client: Side, server: Side, weather: Weather, seed: number) {
    this.number = number;
    this.client = client;
    this.server = server;
    this.weather = weather;
    this.toServer = new Direction(client, server, weather.toServer, seed + number * 8);
    this.toClient = new Direction(server, client, weather.toClient, seed + number * 8 + 4);
  }

  get isOver(): boolean {
    return !this.client.isOpen && !this.server.isOpen;
  }

  step(nowMs: number): void {
    this.toServer.step(nowMs);
    // A reset that a send has heard of reads as an end of stream: whoever is broken is not read any more.
    if (!this.toServer.isBroken) this.toClient.step(nowMs);
    if (this.toServer.isEnded && this.toClient.isEnded) this.close();
    else if (this.toServer.isBroken || this.toClient.isBroken) this.reset();
    this.client.refresh();
    this.server.refresh();
  }

  /** Both ends get RST. */
  reset(): void {
    this.client.reset();
    this.server.reset();
  }

  private close(): void {
    this.client.close();
    this.server.close();
  }
}

export class FaultProxy implements Watched {
  readonly endpoint: Endpoint;
  /** What all connections meet that `vary` has not given something of their own; may be changed at any time. */
  readonly weather: Weather = { toServer: { ...NO_FAULTS }, toClient: { ...NO_FAULTS } };
  /** Decides about a new connection; the source of chance depends on the seed and the connection's number alone. */
  vary: ((prng: Prng, weather: Weather, number: number) => void) | undefined;
  /** Connections that are not over, oldest first. */
  readonly links: Link[] = [];
  /** Connections accepted so far. */
  accepted = 0;
  private readonly target: Endpoint;
  private readonly seed: number;
  private readonly tick = (nowMs: number): void => this.step(nowMs);
  private listener: number | undefined;

  /**
   * @param target who is behind it.
   * @param seed decides about everything that is left to chance.
   * @param at where to listen; port 0 for a free one.
   */
  constructor(target: Endpoint, seed: number, at: Endpoint = ip('127.0.0.1', 0)) {
    this.target = target;
    this.seed = seed;
    const fd = this.listen(at);
    this.endpoint = at.kind === KIND_UNIX ? at : { ...at, port: sockets().localPort(fd) };
    reactor().addTick(this.tick);
  }

  /** As it is written on Pen's command line. */
  get address(): string {
    return addressOf(this.endpoint);
  }

  /** New connections are refused, those there are get RST. */
  down(): void {
    if (this.listener !== undefined) {
      reactor().remove(this.listener);
      sockets().close(this.listener);
      this.listener = undefined;
    }
    this.resetAll();
  }

  up(): void {
    if (this.listener === undefined) this.listen(this.endpoint);
  }

  resetAll(): void {
    for (const link of this.links) link.reset();
    this.links.length = 0;
  }

  /** Back to how it was made: what a test has changed must not reach the next one. */
  forget(): void {
    this.resetAll();
    this.vary = undefined;
    Object.assign(this.weather.toServer, NO_FAULTS);
    Object.assign(this.weather.toClient, NO_FAULTS);
    this.up();
  }

  close(): void {
    this.down();
    reactor().removeTick(this.tick);
  }

  onEvents(): void {
    while (this.listener !== undefined) {
      const fd = sockets().accept(this.listener);
      if (fd === -EAGAIN) return;
      this.accept(must(fd, 'accept'));
    }
  }

  private listen(at: Endpoint): number {
    const fd = sockets().listen(at, BACKLOG);
    this.listener = fd;
    reactor().add(fd, READABLE, this);
    return fd;
  }

  private accept(fd: number): void {
    const number = this.accepted++;
    const { fd: target, result } = sockets().connect(this.target);
    const client = new Side(fd, true);
    const server = new Side(target, result === 0);
    const link = new Link(number, client, server, this.weatherOf(number), this.seed * 1024);
    if (result < 0 && result !== -EINPROGRESS) link.reset();
    this.links.push(link);
  }

  private weatherOf(number: number): Weather {
    if (!this.vary) return this.weather;
    const { toServer, toClient } = this.weather;
    const own = { toServer: { ...toServer }, toClient: { ...toClient } };
    this.vary(new Prng(this.seed * 1024 + number * 8 + 7), own, number);
    return own;
  }

  private step(nowMs: number): void {
    for (const link of this.links) link.step(nowMs);
    for (let i = this.links.length - 1; i >= 0; i--) if (this.links[i].isOver) this.links.splice(i, 1);
  }
}
