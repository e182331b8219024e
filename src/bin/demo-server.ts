/** One of the demo's web servers: says its name to whoever asks. Started by `demo.ts` with its name and port. */
import { createServer } from 'node:http';

const [name = 'nameless', port = '0'] = process.argv.slice(2);
const server = createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end(`Hello from ${name} (${request.method ?? 'GET'} ${request.url ?? '/'})\n`);
});
server.listen(Number(port), '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
// The demo is gone, by whatever way: so are we.
process.on('disconnect', () => process.exit(0));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0));
