import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { answerCgi, type Variables } from './webstats.ts';

/** A control socket that answers with `reply` to what it notes in `lines`. */
async function control(reply: string): Promise<{ address: string; lines: string[] }> {
  const lines: string[] = [];
  const server = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (line) => {
        lines.push(String(line));
        socket.end(reply);
      });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, lines };
}

async function run(variables: Variables): Promise<{ code: number; text: string; said: string[] }> {
  let text = '';
  const said: string[] = [];
  const write = (bytes: string | Uint8Array): void => void (text += Buffer.from(bytes).toString());
  const code = await answerCgi(variables, { write, say: (line) => said.push(line) });
  return { code, text, said };
}

test('a page comes with headers that keep it where it is', async () => {
  const { address, lines } = await control('<html>page</html>\n');
  const { code, text, said } = await run({ PEN_CONTROL: address, REQUEST_METHOD: 'GET', QUERY_STRING: '' });
  expect({ code, said, lines }).toEqual({ code: 0, said: [], lines: ['status\n'] });
  const [head, body] = text.split('\r\n\r\n');
  expect(head?.split('\r\n')).toEqual([
    'Content-Type: text/html; charset=utf-8',
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  ]);
  expect(body).toBe('<html>page</html>\n');
});

test('JSON is there for whoever asks for it; HEAD is answered without a body', async () => {
  const { address, lines } = await control('{"pid":1}\n');
  const asked = { PEN_CONTROL: address, QUERY_STRING: 'a=b&format=json' };
  expect((await run(asked)).text).toMatch(/^Content-Type: application\/json\r\n[^]*\r\n\r\n\{"pid":1\}\n$/);
  expect((await run({ ...asked, REQUEST_METHOD: 'HEAD' })).text).toMatch(
    /^Content-Type: application\/json\r\n[^]*\r\n\r\n$/,
  );
  expect(lines).toEqual(['--json status\n', '--json status\n']);
});

test('nothing that a browser sends chooses whom it asks, or what', async () => {
  const { address, lines } = await control('<html>');
  const other = await control('<html>');
  const query = `format=html&PEN_CONTROL=${other.address}%0Aexit&command=exit`;
  const hostile = {
    QUERY_STRING: query,
    HTTP_PEN_CONTROL: other.address,
    PATH_INFO: `/${other.address}`,
    HTTP_PROXY: other.address,
  };
  expect((await run({ PEN_CONTROL: address, ...hostile })).code).toBe(0);
  expect([lines, other.lines]).toEqual([['status\n'], []]);
});

test('whoever wants to change something is refused, before anybody is asked', async () => {
  const { address, lines } = await control('<html>');
  const { text } = await run({ PEN_CONTROL: address, REQUEST_METHOD: 'POST' });
  expect(text).toMatch(/^Status: 405 Method Not Allowed\r\n[^]*Allow: GET, HEAD\r\n/);
  expect(lines).toEqual([]);
});

test.each<[string, string | undefined, RegExp]>([
  ['there is no address', undefined, /^webstats: PEN_CONTROL: is not set; the web server has to set it/],
  ['the address has no port', '8888', /^webstats: PEN_CONTROL: '8888' has no port/],
  ['nobody answers', '/no/such/socket', /^webstats: cannot connect to \/no\/such\/socket/],
])('when %s the browser is told no more than that', async (_, address, said) => {
  const result = await run({ PEN_CONTROL: address });
  expect(result.code).toBe(1);
  expect(result.said[0]).toMatch(said);
  expect(result.text).toMatch(/^Status: 502 Bad Gateway\r\n[^]*\r\n\r\n502 Bad Gateway\n$/);
});

test.each(['', 'Unable to create webstats\n', '{"text":"x"}\n'])(
  'an answer that is no page is none: %j',
  async (reply) => {
    const { address } = await control(reply);
    const { code, text } = await run({ PEN_CONTROL: address });
    expect(code).toBe(1);
    expect(text).toMatch(/^Status: 502 /);
  },
);
