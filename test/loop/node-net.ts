/** The real kernel for the node loop, which listens and is woken in its own way. */
import { KIND_UNIX } from '../../src/base/endpoint.ts';
import type { PeerListener } from '../../src/loop/conformance/net.ts';
import { CLOSE_ORDERLY, type LoopOptions } from '../../src/loop/loop.ts';
import { nowUs } from '../../src/linux/clock.ts';
import { NodeLoop } from '../../src/portable/loop.ts';
import { BACKLOG, must, RealNet } from './real-net.ts';

export class NodeNet extends RealNet {
  private loop: NodeLoop | undefined;

  /** The loop of the test, which has the listeners of this network. */
  makeLoop(options: LoopOptions): NodeLoop {
    return (this.loop = new NodeLoop(options, nowUs));
  }

  override listen(kind: number): PeerListener {
    const { loop } = this;
    if (!loop) throw new Error('a listener is opened by the loop, which there is not yet');
    const listening = this.bind(kind);
    must(this.door.ffi.libc.listen(listening, BACKLOG), 'listen');
    const endpoint = this.localOf(listening, kind);
    const options = { backlog: BACKLOG, noDelay: true, keepAlive: false };
    // The descriptor is the loop's from here on.
    const { fd } = loop.listen({ fd: listening }, kind === KIND_UNIX, options);
    const listener = { fd, endpoint, close: () => loop.close(fd, CLOSE_ORDERLY) };
    this.open.add(listener);
    return listener;
  }

  override createWake(): { readonly fd: number; wake(): void; close(): void } {
    const entry = { fd: -1, wake: () => this.loop?.wake(), close: () => undefined };
    this.open.add(entry);
    this.wakes.add(entry);
    return entry;
  }
}
