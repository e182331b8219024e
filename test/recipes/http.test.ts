/** The recipes for HTTP, and for HTTP and HTTPS of one site, with nginx. */
import { expect, test } from 'vitest';
import { needs } from '../support/skip.ts';
import { atEach, blocksOf, follow, staged } from './recipe.ts';
import { ADDRESS, CLIENTS, CLIENTS_LATER, type ServerMachine, type Stage } from './stage.ts';

/** `/` says who serves; `/slow` takes minutes. */
function configuration(folder: string, n: number, address: string): string {
  return `
daemon off;
worker_processes 1;
pid ${folder}/www${n}.pid;
events { worker_connections 64; }
http {
  access_log off;
  server {
    listen ${address}:80;
    listen ${address}:443 ssl;
    ssl_certificate ${folder}/certificate;
    ssl_certificate_key ${folder}/key;
    location = / { return 200 "hello from www${n}\\n"; }
    location = /slow { root ${folder}; limit_rate_after 2000; limit_rate 100; }
  }
}
`;
}

async function serve(stage: Stage, machine: ServerMachine, n: number): Promise<void> {
  const { folder } = stage;
  if (n === 1) {
    const files = `-keyout ${folder}/key -out ${folder}/certificate`;
    await stage.print('client', `openssl req -x509 -newkey ed25519 -nodes -subj /CN=www ${files}`);
    stage.write('slow', 'x'.repeat(100_000));
  }
  const file = stage.write(`www${n}.conf`, configuration(folder, n, ADDRESS[machine]));
  await stage.serve(machine, `nginx -e stderr -c ${file}`, `curl -sf http://www${n}`);
}

const conditions = { linux: true, root: true, netns: true, packages: ['nginx', 'curl', 'openssl'] } as const;

needs(conditions, 'HTTP', () => {
  const [start, remembered, dead] = blocksOf('HTTP');
  const stage = staged(serve);

  test('requests go to the servers in turn', () => follow(stage(), start));

  test('where clients are remembered, they come back to their server', () => follow(stage(), remembered));

  test('who is being answered when the server dies sees that the answer is cut short; newcomers are with the other', async () => {
    // The one who is remembered is with the second server.
    const reader = await stage().begin('client', 'curl -sSiN http://www:8080/slow', '200 OK');
    await stage().kill('two');
    expect(await reader()).toMatchObject({ status: 18, output: expect.stringContaining('transfer closed with') });
    await follow(stage(), dead);
  });
});

needs(conditions, 'HTTP and HTTPS of one site', () => {
  const [start] = blocksOf('HTTP and HTTPS of one site');
  const stage = staged(serve);

  const servers = (clients: readonly string[], url: string): Promise<string> =>
    atEach(stage(), clients, `curl -sk --interface $a ${url}`);

  test('each client has the same server by both, and both servers have clients', async () => {
    await follow(stage(), start);
    const plain = await servers(CLIENTS, 'http://www');
    expect(await servers(CLIENTS_LATER, 'https://www')).toBe(plain);
    expect(plain).toContain('www1');
    expect(plain).toContain('www2');
  });

  test('when a server has died its clients are with the other, by both', async () => {
    await stage().kill('two');
    for (const url of ['http://www', 'https://www']) {
      expect((await servers(CLIENTS, url)).match(/www\d/g)).toEqual(CLIENTS.map(() => 'www1'));
    }
  });
});
