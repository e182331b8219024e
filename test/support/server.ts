/** A server of the tests: a listening socket whose accepted connections become peers. */
import { rmSync } from 'node:fs';
import { EAGAIN } from '../../src/base/errno.ts';
import { endpointText, ENDPOINT_SIZE, KIND_UNIX, writeEndpoint, type Endpoint } from '../../src/base/endpoint.ts';
import { ENDED, Peer } from './peer.ts';
import { reactor, READABLE, type Watched } from './reactor.ts';
import { ip, must, sockets, type SocketOptions } from './sockets.ts';

const BACKLOG = 4096;

export class Server implements Watched {
  readonly endpoint: Endpoint;
  /** Connections that no test has taken yet, oldest first. */
  readonly waiting: Peer[] = [];
  /** Connections accepted so far. */
  accepted = 0;
  /** Called with each new connection, instead of letting it wait. */
  onPeer: ((peer: Peer) => void) | undefined;
  private readonly fd: number;
  private readonly backlog: number;
  private isAccepting = true;

  /**
   * @param at where to listen; port 0 for a free one.
   * @param backlog 0 makes room for one connection; further ones hang in their connect until it is accepted.
   */
  constructor(at: Endpoint = ip('127.0.0.1', 0), options: SocketOptions = {}, backlog = BACKLOG) {
    this.backlog = backlog;
    this.fd = sockets().listen(at, backlog, options);
    this.endpoint = at.kind === KIND_UNIX ? at : { ...at, port: sockets().localPort(this.fd) };
    reactor().add(this.fd, READABLE, this);
  }

  /** As it is written on Pen's command line. */
  get address(): string {
    return addressOf(this.endpoint);
  }

  get port(): number {
    return this.endpoint.kind === KIND_UNIX ? 0 : this.endpoint.port;
  }

  /** Leaves new connections in the backlog, as a program that hangs does. */
  stopAccepting(): void {
    this.isAccepting = false;
    sockets().libc.listen(this.fd, this.backlog);
    reactor().change(this.fd, 0);
  }

  startAccepting(): void {
    this.isAccepting = true;
    // Many who wait come at once; were there no room for all, the kernel would reset some.
    sockets().libc.listen(this.fd, BACKLOG);
    reactor().change(this.fd, READABLE);
  }

  onEvents(): void {
    while (this.isAccepting) {
      const fd = sockets().accept(this.fd);
      if (fd === -EAGAIN) return;
      const peer = new Peer(must(fd, 'accept'), true);
      this.accepted++;
      if (this.onPeer) this.onPeer(peer);
      else this.waiting.push(peer);
    }
  }

  /** Back to how it was made: what a test has changed must not reach the next one. */
  forget(): void {
    this.onPeer = undefined;
    this.waiting.length = 0;
    if (!this.isAccepting) this.startAccepting();
  }

  close(): void {
    reactor().remove(this.fd);
    sockets().close(this.fd);
    if (this.endpoint.kind === KIND_UNIX) rmSync(this.endpoint.path, { force: true });
  }
}

export function addressOf(endpoint: Endpoint): string {
  const record = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, record, 0);
  return endpointText(record, 0);
}

/** Makes a peer send back as many bytes as it receives, and end when its peer does. */
export function echo(peer: Peer): void {
  peer.onChange = () => {
    if (peer.received > peer.asked) peer.send(peer.received - peer.asked);
    if (peer.ending === ENDED) peer.end();
    else if (peer.ending !== '') peer.close();
    if (peer.ending === ENDED && peer.isFlushed) peer.close();
  };
  peer.onChange(peer);
}
