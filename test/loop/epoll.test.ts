import { describe } from 'vitest';
import { loadFfi } from '../../src/ffi/load.ts';
import { EpollLoop } from '../../src/linux/epoll.ts';
import { runLoopSuite } from '../../src/loop/conformance.suite.ts';
import { RealNet } from './real-net.ts';

const { ffi, reason } = loadFfi();

describe.runIf(ffi)(`epoll${reason === undefined ? '' : ` (${reason})`}`, () => {
  if (ffi === undefined) return;
  runLoopSuite({
    name: 'conformance',
    net: () => new RealNet(ffi),
    make: (options) => new EpollLoop(ffi, options),
  });
});
