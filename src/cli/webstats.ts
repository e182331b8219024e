/**
 * `webstats`: the status page as a CGI program. It asks a running Pen by its control socket, whose address the web server
 * gives it; nothing that a browser sends chooses whom it asks, or what.
 */
import { parseListen } from '../config/address.ts';
import { ConfigError } from '../config/model.ts';
import { ask } from './penctl.ts';

const WHERE = 'webstats';

/** What the web server says, by variables as RFC 3875 names them, and PEN_CONTROL. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Where the answer goes. */
export interface Output {
  readonly write: (bytes: string | Uint8Array) => void;
  /** For the log of the web server. */
  readonly say: (text: string) => void;
}

interface Format {
  readonly command: string;
  readonly type: string;
  /** What an answer of this kind begins with. */
  readonly start: number;
}

const HTML: Format = { command: 'status\n', type: 'text/html; charset=utf-8', start: '<'.charCodeAt(0) };
const JSON_FORMAT: Format = { command: '--json status\n', type: 'application/json', start: '{'.charCodeAt(0) };

/** For everybody: nobody keeps it, and a page runs nothing and loads nothing. */
const ALWAYS = `Cache-Control: no-store\r
X-Content-Type-Options: nosniff\r
Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r
`;

/**
 * Answers one request.
 *
 * @returns the exit status: 1 when Pen could not be asked, or its answer broke off.
 */
export async function answerCgi(variables: Variables, output: Output): Promise<0 | 1> {
  const method = variables['REQUEST_METHOD'] ?? 'GET';
  if (method !== 'GET' && method !== 'HEAD') {
    refuse(output, '405 Method Not Allowed', 'Allow: GET, HEAD\r\n');
    return 0;
  }
  const isJson = new URLSearchParams(variables['QUERY_STRING']).get('format') === 'json';
  const format = isJson ? JSON_FORMAT : HTML;
  let [isBegun, isStatus] = [false, true];
  try {
    const request = { address: addressOf(variables['PEN_CONTROL']), line: format.command };
    const take = (bytes: Uint8Array): void => {
      isStatus &&= isBegun || bytes[0] === format.start;
      if (!isStatus) return;
      if (!isBegun) output.write(`Content-Type: ${format.type}\r\n${ALWAYS}\r\n`);
      isBegun = true;
      if (method === 'GET') output.write(bytes);
    };
    await ask(request, take, WHERE);
    if (!isBegun) throw new ConfigError(WHERE, 'what answers at the control address tells no status');
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    output.say(error.where === WHERE ? error.message : `${WHERE}: ${error.message}`);
    // A page that has begun is seen to break off.
    if (!isBegun) refuse(output, '502 Bad Gateway');
    return 1;
  }
}

/** Why is nothing for those who look at it from outside. */
function refuse({ write }: Output, status: string, more = ''): void {
  write(`Status: ${status}\r\nContent-Type: text/plain\r\n${more}${ALWAYS}\r\n${status}\n`);
}

function addressOf(text = ''): ReturnType<typeof parseListen> {
  if (!/[:/]/.test(text)) {
    const said = text === '' ? 'is not set' : `'${text}' has no port`;
    throw new ConfigError('PEN_CONTROL', `${said}; the web server has to set it to host:port or /path of Pen's -C`);
  }
  return parseListen(text, 'PEN_CONTROL');
}
