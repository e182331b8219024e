/** The recipe for FTP, with vsftpd. */
import { mkdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { needs } from '../support/skip.ts';
import { blocksOf, follow, staged } from './recipe.ts';
import { ADDRESS, type ServerMachine, type Stage } from './stage.ts';

/** The second server takes data connections from others than the control connection comes from. */
function configuration(folder: string, n: number, address: string): string {
  return `
listen=YES
listen_address=${address}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root=${folder}
secure_chroot_dir=${folder}
pasv_min_port=21${n}01
pasv_max_port=21${n}02
pasv_promiscuous=${n === 2 ? 'YES' : 'NO'}
port_promiscuous=${n === 2 ? 'YES' : 'NO'}
`;
}

async function serve(stage: Stage, machine: ServerMachine, n: number): Promise<void> {
  const folder = `${stage.folder}/ftp${n}`;
  mkdirSync(folder);
  stage.write(`ftp${n}/name`, `ftp${n}\n`);
  const file = stage.write(`ftp${n}.conf`, configuration(folder, n, ADDRESS[machine]));
  await stage.serve(machine, `vsftpd ${file}`, `curl -sf ftp://ftp${n}/name`);
}

needs({ linux: true, root: true, netns: true, packages: ['vsftpd', 'curl'] }, 'FTP', () => {
  const [start, passive, dead] = blocksOf('FTP');
  const stage = staged(serve);

  test('data goes by the side of Pen where client and server agree', () => follow(stage(), start));

  test('data goes through Pen by ports that belong to one server', () => follow(stage(), passive));

  test('when a server has died clients are with the other, also for their data', async () => {
    await stage().kill('two');
    await follow(stage(), dead);
  });

  test('a server that is not told to refuses data connections that do not come as the commands do', async () => {
    const active = await stage().run('client', 'curl -s -P - ftp://ftp/name');
    const direct = await stage().run('client', 'curl -sS --disable-epsv --no-ftp-skip-pasv-ip ftp://ftp/name');
    expect(active.status).toBe(30);
    expect(direct.output).toContain('425');
  });
});
