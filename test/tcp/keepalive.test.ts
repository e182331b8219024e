/** `keepalive`: connections to servers are probed by TCP while they are idle; those of clients always are. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, ask } from '../support/control.ts';
import { hasKeepaliveTimer } from '../support/process-facts.ts';
import { onEachLoop } from '../support/rig.ts';
import { sockets } from '../support/sockets.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-keepalive-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');

onEachLoop('keepalive', { options: ['-C', CONTROL, ...AS_WHO_WE_ARE] }, (rig) => {
  /** Whether Pen's sockets of a new connection, which is idle, are probed. */
  const probed = async (): Promise<{ client: boolean; server: boolean }> => {
    const { client, server } = await rig.pair();
    client.send(10);
    server.send(10);
    await rig.until(() => client.received === 10 && server.received === 10, 'both are heard');
    const isProbed = (fd: number): boolean =>
      hasKeepaliveTimer(rig.pen.pid, sockets().remotePort(fd), sockets().localPort(fd));
    // Until the last acknowledgement is there, another timer runs.
    await rig.until(() => isProbed(client.fd), 'the client is probed');
    return { client: isProbed(client.fd), server: isProbed(server.fd) };
  };

  test('off, on and off again, for new connections', async () => {
    expect(await probed()).toEqual({ client: true, server: false });
    expect(await ask(CONTROL, 'keepalive\n')).toBe('');
    expect(await probed()).toEqual({ client: true, server: true });
    expect(await ask(CONTROL, 'no keepalive\n')).toBe('');
    expect(await probed()).toEqual({ client: true, server: false });
  });
});
