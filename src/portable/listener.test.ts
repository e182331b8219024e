/** What a listener of the node loop may have otherwise while it listens. */
import { connect, Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { Listener } from './listener.ts';

test('tune is for clients that come from now on: TCP_NODELAY, and how many may wait', async () => {
  const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay');
  let [waiting, turnedAway] = [0, 0];
  const on = { onClient: () => void waiting++, onTurnedAway: () => void turnedAway++ };
  const options = { backlog: 2, noDelay: true, keepAlive: false };
  const listener = new Listener({ host: '127.0.0.1', port: 0 }, false, options, on);
  await listener.listening;
  const clients: Socket[] = [];
  const come = async (): Promise<void> => {
    const before = waiting + turnedAway;
    clients.push(connect(listener.port, '127.0.0.1').on('error', () => undefined));
    await vi.waitFor(() => expect(waiting + turnedAway).toBe(before + 1));
  };
  await come();
  expect(noDelay.mock.calls).toEqual([[true]]);
  listener.tune({ backlog: 2, noDelay: false });
  await come();
  expect([noDelay.mock.calls.length, waiting]).toEqual([1, 2]);
  await come();
  expect(turnedAway).toBe(1);
  listener.tune({ backlog: 3, noDelay: true });
  await come();
  expect([noDelay.mock.calls.length, waiting, turnedAway]).toEqual([2, 3, 1]);
  listener.close();
  for (const client of clients) client.destroy();
  noDelay.mockRestore();
});
