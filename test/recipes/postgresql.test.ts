/** The recipe for PostgreSQL. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { needs } from '../support/skip.ts';
import { blocksOf, follow, staged } from './recipe.ts';
import { ADDRESS, type ServerMachine, type Stage } from './stage.ts';

const VERSIONS = '/usr/lib/postgresql';
const SETTINGS = ['shared_buffers=1MB', 'fsync=off', 'max_connections=10', 'autovacuum=off', 'max_wal_senders=0'];

/** The first makes a cluster, the second takes a copy. Both take connections from Pen's address only. */
async function serve(stage: Stage, machine: ServerMachine, n: number): Promise<void> {
  const [version = ''] = readdirSync(VERSIONS);
  const data = `${stage.folder}/db${n}`;
  const asPostgres = 'setpriv --reuid postgres --regid postgres --clear-groups';
  if (n === 1) {
    await stage.print('client', `mkdir ${data} && chown postgres: ${data}`);
    await stage.print('client', `${asPostgres} ${VERSIONS}/${version}/bin/initdb --no-sync -U app -A trust -D ${data}`);
    await stage.print('client', `echo 'host all all ${ADDRESS.pen}/32 trust' >${data}/pg_hba.conf`);
  }
  await stage.print('client', n === 1 ? `cp -a ${data} ${stage.folder}/db2` : 'true');
  const settings = [...SETTINGS, `listen_addresses=${ADDRESS[machine]}`, `cluster_name=db${n}`];
  const command = `${asPostgres} ${VERSIONS}/${version}/bin/postgres -D ${data} -k ${data} -c ${settings.join(' -c ')}`;
  await stage.serve(machine, command, `pg_isready -h db${n}`);
}

needs({ linux: true, root: true, netns: true, packages: ['postgresql', 'util-linux'] }, 'PostgreSQL', () => {
  const [start, dead] = blocksOf('PostgreSQL');
  const stage = staged(serve);

  test('a client has one server, so that it can cancel', () => follow(stage(), start));

  test('in turn, what cancels would come to another server', async () => {
    await stage().print('pen', 'pen -u nobody -r 5433 db1:5432 db2:5432');
    const query = `psql -h db -p 5433 -U app -c 'select pg_sleep(60)' postgres`;
    const { output } = await stage().run('client', `timeout --foreground -s INT -k 2 3 ${query}; exit`);
    expect(output).toContain('Cancel request sent');
    expect(output).not.toContain('canceling statement');
  });

  test('who is connected when the server dies is told; newcomers are with the other', async () => {
    const session = await stage().begin(
      'client',
      `psql -h db -U app -Atc 'select 1' -c 'select pg_sleep(60)' postgres`,
      '1',
    );
    await stage().kill('two');
    expect((await session()).output).toContain('server closed the connection unexpectedly');
    await follow(stage(), dead);
  });
});
