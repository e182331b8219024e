import { loadFfi } from '../../src/ffi/load.ts';
import { runLoopSuite } from '../../src/loop/conformance.suite.ts';
import { needs } from '../support/skip.ts';
import { NodeNet } from './node-net.ts';

/** So descriptors are counted, and never all used. */
const LIBUV_ACCEPTS = 'without descriptors libuv accepts and closes clients, and tells nobody';

/** The peers of the tests are sockets without Node; the loop itself needs no door to the kernel. */
needs({ linux: true }, 'node', () => {
  const { ffi } = loadFfi();
  if (ffi === undefined) return;

  runLoopSuite({
    name: 'conformance',
    net: () => new NodeNet(ffi),
    make: (options, net) => (net as NodeNet).makeLoop(options),
    skip: [
      { test: 'pipe', reason: 'bytes go through the memory of Node' },
      { test: 'accept: reports EMFILE alone, does not spin, and goes on afterwards', reason: LIBUV_ACCEPTS },
      { test: 'accept: gives the connections it has before it reports EMFILE', reason: LIBUV_ACCEPTS },
      {
        test: 'connect: opens no socket when there is no descriptor left, or for a kind that is none',
        reason: 'Node opens the socket when it connects',
      },
    ],
  });
});
