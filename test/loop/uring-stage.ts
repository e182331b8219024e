/** Scripts of the conformance suite, played on an io_uring loop that a test sets up in its own way. */
import { expect, test } from 'vitest';
import { loadFfi } from '../../src/ffi/load.ts';
import { openUring, type UringLoop, type UringOptions } from '../../src/linux/uring.ts';
import { play, type Script, Stage } from '../../src/loop/conformance/script.suite.ts';
import { RealNet } from './real-net.ts';

const { ffi } = loadFfi();

export interface Setting extends UringOptions {
  readonly smallCount?: number;
}

/** Plays a script on a fresh loop; descriptors must be as before afterwards. */
export async function inLoop(setting: Setting, script: (stage: Stage, loop: UringLoop) => Script): Promise<void> {
  const net = new RealNet(ffi!);
  const before = net.openDescriptors();
  const wake = net.createWake();
  const { smallCount = 64 } = setting;
  const options = { wakeFd: wake.fd, sidesMax: 256, listenersMax: 64, smallCount, bigLength: 8 << 20 };
  const loop = openUring(ffi!, options, setting);
  try {
    const stage = new Stage(loop, net, wake);
    await play(stage, script(stage, loop));
  } finally {
    loop.destroy();
    net.closeAll();
  }
  expect(net.openDescriptors()).toBe(before);
}

export function kernelTest(name: string, setting: Setting, script: (stage: Stage, loop: UringLoop) => Script): void {
  test(name, async () => inLoop(setting, script));
}
