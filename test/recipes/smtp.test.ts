/** The recipe for SMTP, with Exim. */
import { expect, test } from 'vitest';
import { needs } from '../support/skip.ts';
import { blocksOf, follow, staged } from './recipe.ts';
import { ADDRESS, type Stage } from './stage.ts';

const MAIL_USER = 'Debian-exim';

/** Takes mail for `here`, and puts it all into one file. */
function configuration(folder: string, n: number, address: string): string {
  return `
primary_hostname = mail${n}
spool_directory = ${folder}
log_file_path = ${folder}/%slog
pid_file_path = ${folder}/pid
exim_user = ${MAIL_USER}
exim_group = ${MAIL_USER}
deliver_drop_privilege = true
never_users =
local_interfaces = ${address}
daemon_smtp_ports = 25
smtp_banner = mail${n} ESMTP
acl_smtp_rcpt = check
begin acl
check:
  accept domains = here
  deny message = not for us
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  file = ${folder}/box
  user = ${MAIL_USER}
`;
}

async function letters(stage: Stage): Promise<string> {
  await stage.until('client', `cd ${stage.folder}; ! ls mail?/input | grep -q -e -H`);
  return stage.print('client', `cd ${stage.folder}; for n in 1 2; do cat mail$n/box | grep -c Subject:; done || true`);
}

needs({ linux: true, root: true, netns: true, packages: ['exim4-daemon-light', 'curl'] }, 'SMTP', () => {
  const [start, dead] = blocksOf('SMTP');
  const stage = staged(async (on, machine, n) => {
    const folder = `${on.folder}/mail${n}`;
    await on.print('client', `mkdir ${folder} && chown ${MAIL_USER}: ${folder}`);
    const file = on.write(`mail${n}.conf`, configuration(folder, n, ADDRESS[machine]));
    await on.serve(machine, `exim4 -bdf -C ${file}`, `exec 3<>/dev/tcp/mail${n}/25`);
  });

  test('letters go to the servers in turn', async () => {
    await follow(stage(), start);
    expect(await letters(stage())).toBe('1\n1\n');
    expect(await stage().print('client', `cat ${stage().folder}/mail?/mainlog`)).toContain(`[${ADDRESS.pen}]`);
  });

  test('who is talking to a server when it dies sees the end; the other takes all letters', async () => {
    const talker = await stage().begin('client', 'cat </dev/tcp/mail/25', '220 mail2');
    await stage().kill('two');
    expect(await talker()).toEqual({ output: '220 mail2 ESMTP\r\n', status: 0 });
    await follow(stage(), dead);
    expect(await letters(stage())).toBe('2\n1\n');
  });
});
