/**
 * More streams than there are pipes and big buffers, which begin, pause, go on, turn round and break off at random: each
 * borrows, gives back and goes without, and what arrives is what was sent.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { isLong, onEachLoop, runSeed, type Pair } from '../support/rig.ts';

const MIB = 1 << 20;
/** 64 pipes, 64 big buffers, and some who get neither. */
const STREAMS = 160;
const STEPS = Number(process.env['STEPS'] ?? (isLong ? 200_000 : 1500));
/** Most bytes that a stream has before it; small enough that they are through soon when all read. */
const AHEAD = 8 * MIB;

onEachLoop('bulk', { options: ['-x', String(STREAMS + 10), '-q', '1024'] }, (rig) => {
  const seed = runSeed();
  test(
    `${STREAMS} bulk streams that stall and go on as they like arrive unchanged (SEED=${seed})`,
    async () => {
      const prng = new Prng(seed);
      const pairs = await rig.pairs(STREAMS);
      let bytes = 0;
      const step = async (index: number): Promise<void> => {
        const pair = pairs[index];
        const [reader, writer] = prng.chance(1, 5) ? [pair.server, pair.client] : [pair.client, pair.server];
        const choice = prng.below(100);
        if (choice < 60) {
          if (writer.asked - reader.received < AHEAD) writer.send(prng.between(1, 6 * MIB));
        } else if (choice < 78) {
          reader.pause();
        } else if (choice < 96) {
          reader.resume();
        } else {
          bytes += reader.received + writer.received;
          if (choice < 98) pair.client.reset();
          else pair.server.close();
          await rig.until(
            () => [pair.client, pair.server].every((peer) => !peer.isOpen || (peer.resume(), peer.ending !== '')),
            () => `${pair.client.describe()}\n${pair.server.describe()}`,
            20_000,
          );
          pair.client.close();
          pair.server.close();
          pairs[index] = await rig.pair();
        }
      };
      for (let count = 0; count < STEPS; count++) {
        await step(prng.below(STREAMS));
        if (prng.chance(1, 3)) await rig.pass(1);
      }
      const peers = pairs.flatMap(({ client, server }) => [client, server]);
      for (const peer of peers) {
        peer.resume();
        peer.end();
      }
      const unfinished = (): Pair[] => pairs.filter(({ client, server }) => !client.ending || !server.ending);
      await rig.until(
        () => unfinished().length === 0,
        () => unfinished()[0].client.describe(),
        60_000,
      );
      const wrong = pairs.filter(
        ({ client, server }) => client.received !== server.sent || server.received !== client.sent,
      );
      expect(wrong).toEqual([]);
      bytes += peers.reduce((sum, peer) => sum + peer.received, 0);
      console.log(`${(bytes / MIB / 1024).toFixed(1)} GiB in ${STEPS} steps`);
    },
    isLong ? 7_200_000 : 120_000,
  );
});
