/** The recipe for IMAP and POP3, with Dovecot. */
import { mkdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { needs } from '../support/skip.ts';
import { atEach, blocksOf, follow, staged } from './recipe.ts';
import { ADDRESS, CLIENTS, CLIENTS_LATER, type ServerMachine, type Stage } from './stage.ts';

/** Everybody has a mailbox, with one letter that tells whose it is. */
function configuration(folder: string, address: string): string {
  return `
protocols = imap pop3
listen = ${address}
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
mail_location = maildir:${folder}/mail
first_valid_uid = 1
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=mail gid=mail home=${folder}/mail
}
`;
}

async function serve(stage: Stage, machine: ServerMachine, n: number): Promise<void> {
  const folder = `${stage.folder}/imap${n}`;
  for (const inside of ['new', 'cur', 'tmp']) mkdirSync(`${folder}/mail/${inside}`, { recursive: true });
  stage.write(`imap${n}/mail/new/1.letter.here`, `Subject: a letter on imap${n}\n\n`);
  await stage.print('client', `chown -R mail: ${folder}/mail`);
  const file = stage.write(`imap${n}.conf`, configuration(folder, ADDRESS[machine]));
  await stage.serve(machine, `dovecot -F -c ${file}`, `curl -s -u anna:secret pop3://imap${n}/1`);
}

const packages = ['dovecot-imapd', 'dovecot-pop3d', 'curl'] as const;

needs({ linux: true, root: true, netns: true, packages }, 'IMAP and POP3', () => {
  const [start, dead] = blocksOf('IMAP and POP3');
  const stage = staged(serve);

  const byImap = (clients: readonly string[]): Promise<string> =>
    atEach(stage(), clients, `curl -s -u anna:secret --interface $a 'imap://imap/INBOX;UID=1'`);
  const byPop = (clients: readonly string[]): Promise<string> =>
    atEach(stage(), clients, 'curl -s -u anna:secret --interface $a pop3://imap/1');

  test('each client has the same server by both, and both servers have clients', async () => {
    await follow(stage(), start);
    const letters = await byImap(CLIENTS);
    expect(await byPop(CLIENTS_LATER)).toBe(letters);
    expect(letters).toContain('imap1');
    expect(letters).toContain('imap2');
  });

  test('when a server has died all clients are with the other, by both', async () => {
    await stage().kill('two');
    await follow(stage(), dead);
    for (const letters of [await byImap(CLIENTS), await byPop(CLIENTS)]) {
      expect(letters.match(/imap\d/g)).toEqual(CLIENTS.map(() => 'imap1'));
    }
  });
});
