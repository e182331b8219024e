import { connect, type AddressInfo, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ControlSocket } from './control-socket.ts';

/** Longer than a line may take. */
const SLOW_MS = 5300;

test('a command that takes longer than a line may is answered all the same', async () => {
  let port = 0;
  const control = await ControlSocket.open(async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  control.serve({
    execute: async () => {
      await pause(SLOW_MS);
      return 'done\n';
    },
    isPermitted: () => true,
    onFault: (error) => {
      throw error;
    },
  });
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('slow\n');
  let answer = '';
  for await (const part of socket) answer += String(part);
  await control.close();
  expect(answer).toBe('done\n');
}, 20_000);
