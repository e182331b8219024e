/** Commands about the listener, and how clients are taken from it. */
import { isName, literalEndpoint, parseListen, portNumber, unixEndpoint } from '../address.ts';
import { answer, type Call, type Command } from '../command.ts';
import { type Configuration, ConfigError, type WrittenEndpoint } from '../model.ts';
import { question, setting, whole } from './kinds.ts';

const subject = 'listener';
const ADDRESS = {
  label: '[HOST:]PORT|PATH',
  isOptional: true,
  words: [],
  help: 'a port, host:port, [ipv6]:port or the path of a unix socket',
};

function textOf(written: WrittenEndpoint | undefined): string {
  return written === undefined ? '' : `${written.text}\n`;
}

const tellListen = ({ state }: { readonly state: Configuration }): string => textOf(state.listen);

const listen: Command = {
  name: 'listen',
  subject,
  help: 'Where clients come to; those that are there stay',
  parameters: [ADDRESS],
  no: undefined,
  hosts: ([word], where) => {
    const written = word === undefined ? undefined : parseListen(word, where);
    return written && 'host' in written && isName(written.host, where) ? [written.host] : [];
  },
  tell: tellListen,
  run: (call) => {
    const [text] = call.words;
    if (text === undefined) return answer(call, tellListen(call));
    const state = { ...call.state, listen: { text, endpoint: endpointAt(call, text) } };
    return { state, reply: tellListen({ state }), actions: [] };
  },
};

function endpointAt(call: Call, text: string): WrittenEndpoint['endpoint'] {
  const written = parseListen(text, call.where);
  if ('path' in written) return unixEndpoint(written.path);
  const port = portNumber(written.port, call.where, 0, call.servicePort);
  const literal = literalEndpoint(written.host, port, call.where);
  if (literal) return literal;
  const found = call.hosts.get(written.host);
  if (!found || !('port' in found)) throw new ConfigError(call.where, `host '${written.host}' is not known`);
  return { ...found, port };
}

export const LISTENER_COMMANDS: readonly Command[] = [
  listen,
  setting({
    name: 'accept_batch',
    subject,
    help: 'Accept at most so many connections per wake-up (100)',
    key: 'acceptBatch',
    type: whole('N', 1, 10_000),
  }),
  setting({
    name: 'backlog',
    subject,
    help: 'Clients that may wait to be accepted (500)',
    key: 'backlog',
    type: whole('N', 1, 65_535),
  }),
  question({ name: 'control', subject, help: 'Tell where commands come to' }, ({ state }) => textOf(state.control)),
];
