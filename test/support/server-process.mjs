/**
 * A server in a process of its own, to be killed: sends back what it gets and ends when its client does.
 *
 *   node server-process.mjs PORT
 *
 * Prints its port when it listens. The order of its accepts and its sockets are Node's; nothing here is precise.
 */
/// <reference types="node" />
import { createServer } from 'node:net';

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});
server.listen({ port: Number(process.argv[2] ?? 0), host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
});
