/** T4: `tcp_fastclose` ends the whole connection when the named side has ended, after the other has taken everything. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, ask } from '../support/control.ts';
import { ENDED } from '../support/peer.ts';
import { onEachLoop, type Pair } from '../support/rig.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-fastclose-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const SIZE = 2 << 20;

type Side = keyof Pair;

onEachLoop('T4: tcp_fastclose', { options: ['-C', CONTROL, ...AS_WHO_WE_ARE] }, (rig) => {
  /**
   * One side says much to a slow reader and ends.
   * @param isAll that ends all. @returns how the connection stands some time after the other has everything.
   */
  const afterEndOf = async (side: Side, mode: string, isAll: boolean): Promise<Record<Side, string>> => {
    expect(await ask(CONTROL, `tcp_fastclose ${mode}\n`)).toBe('');
    const pair = await rig.pair();
    const [ends, hears] = [pair[side], pair[side === 'client' ? 'server' : 'client']];
    hears.readAtPace(SIZE * 4, 65_536);
    ends.send(SIZE);
    ends.end();
    await rig.until(
      () => hears.ending !== '',
      () => hears.describe(),
    );
    expect(hears.received, 'all of it').toBe(SIZE);
    if (isAll) await rig.until(() => ends.ending !== '', 'the end comes back');
    else await rig.pass(300);
    return { client: pair.client.ending, server: pair.server.ending };
  };

  test.each([
    ['up', 'server', { client: ENDED, server: ENDED }],
    ['up', 'client', { client: '', server: ENDED }],
    ['down', 'client', { client: ENDED, server: ENDED }],
    ['down', 'server', { client: ENDED, server: '' }],
    ['both', 'client', { client: ENDED, server: ENDED }],
    ['both', 'server', { client: ENDED, server: ENDED }],
    ['off', 'client', { client: '', server: ENDED }],
  ] as const)('T4: %s, and the %s ends', async (mode, side, expected) => {
    const isAll = expected.client !== '' && expected.server !== '';
    expect(await afterEndOf(side, mode, isAll)).toEqual(expected);
  });
});
