/**
 * The one suite that judges every loop: io_uring, epoll, Node's own and the simulator.
 *
 * Only tests import it. The laws are those of loop.ts; each file of `conformance/` holds those of one topic.
 */
import { afterEach, beforeEach, describe, test } from 'vitest';
import { acceptCases } from './conformance/accept.suite.ts';
import { buffersCases } from './conformance/buffers.suite.ts';
import { cancelCases } from './conformance/cancel.suite.ts';
import { connectCases } from './conformance/connect.suite.ts';
import { conversationCases } from './conformance/conversation.suite.ts';
import { crowdCases } from './conformance/crowd.suite.ts';
import { endingCases } from './conformance/ending.suite.ts';
import type { Net } from './conformance/net.ts';
import { pipeCases } from './conformance/pipe.suite.ts';
import { receiveCases } from './conformance/receive.suite.ts';
import { type Case, equal, play, Stage } from './conformance/script.suite.ts';
import { sendCases } from './conformance/send.suite.ts';
import { timeCases } from './conformance/time.suite.ts';
import { watchCases } from './conformance/watch.suite.ts';
import type { Loop, LoopOptions } from './loop.ts';

const TOPICS: Readonly<Record<string, readonly Case[]>> = {
  accept: acceptCases,
  connect: connectCases,
  receive: receiveCases,
  send: sendCases,
  conversation: conversationCases,
  pipe: pipeCases,
  ending: endingCases,
  watch: watchCases,
  cancel: cancelCases,
  buffers: buffersCases,
  time: timeCases,
  crowd: crowdCases,
};

export interface LoopSuite {
  readonly name: string;
  /** Makes the network of one test. `closeAll` ends it. */
  net(): Net;
  /** Makes the loop of one test on the network made before. */
  make(options: LoopOptions, net: Net): Loop;
  /** Tests that cannot hold for this loop: a topic, or the topic and the name, and why. An unknown name fails the suite. */
  readonly skip?: readonly { readonly test: string; readonly reason: string }[];
}

/** Declares the suite's tests with the test runner. */
export function runLoopSuite(suite: LoopSuite): void {
  const reasons = new Map((suite.skip ?? []).map(({ test, reason }) => [test, reason]));
  refuseUnknown([...reasons.keys()]);
  describe(suite.name, () => {
    let net: Net;
    beforeEach(() => {
      net = suite.net();
    });
    afterEach(() => net.closeAll());
    for (const [topic, cases] of Object.entries(TOPICS)) {
      describe(topic, () => {
        for (const one of cases) {
          const reason = reasons.get(`${topic}: ${one.name}`) ?? reasons.get(topic);
          if (reason !== undefined) test.skip(`${one.name} (not on this loop: ${reason})`, () => undefined);
          else test(one.name, async () => runCase(suite, one, net));
        }
      });
    }
  });
}

/** A skip that outlives its test, or is misspelt, would say something that is not so. */
function refuseUnknown(skipped: readonly string[]): void {
  const known = new Set<string>();
  for (const [topic, cases] of Object.entries(TOPICS)) {
    known.add(topic);
    for (const { name } of cases) known.add(`${topic}: ${name}`);
  }
  const unknown = skipped.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`tests to skip that do not exist: ${unknown.join('; ')}`);
}

async function runCase(suite: LoopSuite, one: Case, net: Net): Promise<void> {
  const wake = net.createWake();
  const before = net.openDescriptors();
  const loop = suite.make(
    {
      wakeFd: wake.fd,
      sidesMax: 4096,
      listenersMax: 64,
      smallCount: one.smallCount ?? 64,
      bigLength: 16 << 20,
    },
    net,
  );
  const stage = new Stage(loop, net, wake);
  try {
    await play(stage, one.script(stage));
  } finally {
    net.limitDescriptors(-1);
    loop.destroy();
  }
  net.closePeers();
  equal(net.openDescriptors(), before, 'descriptors open after the test');
}
