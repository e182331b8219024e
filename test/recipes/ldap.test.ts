/** The recipe for LDAP, with OpenLDAP. */
import { mkdirSync } from 'node:fs';
import { test } from 'vitest';
import { needs } from '../support/skip.ts';
import { blocksOf, follow, staged } from './recipe.ts';
import type { ServerMachine, Stage } from './stage.ts';

function configuration(folder: string): string {
  return `
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${folder}/pid
database mdb
maxsize 1048576
suffix "dc=example,dc=com"
directory ${folder}
`;
}

/** The organization is called as the server. */
async function serve(stage: Stage, machine: ServerMachine, n: number): Promise<void> {
  const folder = `${stage.folder}/ldap${n}`;
  mkdirSync(folder);
  const file = stage.write(`ldap${n}.conf`, configuration(folder));
  const entry = `dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: ldap${n}\n`;
  await stage.print('client', `slapadd -q -f ${file} -l ${stage.write(`ldap${n}.ldif`, entry)}`);
  const isReady = `ldapsearch -x -H ldap://ldap${n} -b dc=example,dc=com`;
  await stage.serve(machine, `slapd -f ${file} -h ldap://ldap${n} -d 0`, isReady);
}

needs({ linux: true, root: true, netns: true, packages: ['slapd', 'ldap-utils'] }, 'LDAP', () => {
  const [start, dead] = blocksOf('LDAP');
  const stage = staged(serve);

  test('questions are answered, and connections that stay are spread evenly', async () => {
    await follow(stage(), start);
    const hold = 'for fd in 3 4 5 6; do eval "exec $fd<>/dev/tcp/ldap/389"; done; echo held; cat <&3';
    await stage().begin('client', hold, 'held');
    await stage().until('pen', `[ $(penctl localhost:8888 servers | grep -c ' conn 2 ') = 2 ]`);
  });

  test('when one has died the other answers', async () => {
    await stage().kill('two');
    await follow(stage(), dead);
  });
});
