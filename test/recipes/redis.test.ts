/** The recipe for Redis: one server for all, and another that stands by. */
import { expect, test } from 'vitest';
import { needs } from '../support/skip.ts';
import { blocksOf, follow, staged } from './recipe.ts';
import type { ServerMachine, Stage } from './stage.ts';

async function serve(stage: Stage, machine: ServerMachine, n: number): Promise<void> {
  const command = `redis-server --save '' --protected-mode no --bind 0.0.0.0 --dir ${stage.folder}`;
  await stage.serve(machine, command, `redis-cli -h redis${n} ping`);
}

needs({ linux: true, root: true, netns: true, packages: ['redis-server'] }, 'Redis', () => {
  const [start, dead, back] = blocksOf('Redis');
  const stage = staged(serve);

  test('all clients are with the first server', async () => {
    await follow(stage(), start);
    const both = 'redis-cli -h redis1 get colour; redis-cli -h redis2 get colour';
    expect(await stage().print('client', both)).toBe('green\n\n');
  });

  test('who is connected when the server dies is told; newcomers are with the second one', async () => {
    const watcher = await stage().begin('client', 'redis-cli -h redis monitor', 'OK');
    await stage().kill('one');
    expect((await watcher()).output).toContain('Server closed the connection');
    await follow(stage(), dead);
  });

  test('newcomers are with the first one again when it is back and no longer passed over', async () => {
    await serve(stage(), 'one', 1);
    await follow(stage(), back);
  });
});
