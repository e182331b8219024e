/** The servers beside the numbered ones: for emergencies, and for clients that are not permitted. */
import { KIND_IPV6, KIND_UNIX } from '../../base/endpoint.ts';
import { defaultPort, hostText, isName, LISTENER, parseServer } from '../address.ts';
import { field, tellRow, type Answer } from '../answer.ts';
import { answer, type Call, type Command } from '../command.ts';
import { serverAt, type ServerConfig } from '../model.ts';
import { quoted } from '../words.ts';
import { resolved } from './endpoints.ts';

const SPEC = {
  label: 'SERVER',
  isOptional: true,
  words: [],
  help: 'host[:port[:max[:hard[:weight[:prio]]]]], [ipv6]:port... or /path...; without a port that of the listener',
};

function special(name: 'emergency' | 'abuse', help: string): Command {
  return {
    name,
    subject: 'servers',
    help,
    parameters: [SPEC],
    no: [],
    hosts: ([spec], where) => {
      if (spec === undefined) return [];
      const { address } = parseServer(spec, where, '0');
      return 'host' in address && isName(address.host, where) ? [address.host] : [];
    },
    told: {
      fields: { [name]: field('the server with its port, limits, weight and prio; empty when there is none') },
      lists: {},
    },
    sets: () => [{ of: name }],
    tell: ({ state }) => tellOf(name, state[name]),
    run: (call) => {
      const [spec] = call.words;
      if (call.isNo) return { state: { ...call.state, [name]: undefined }, reply: '', actions: [] };
      if (spec === undefined) return answer(call, tellOf(name, call.state[name]));
      const state = { ...call.state, [name]: serverOf(call, spec) };
      return { state, reply: tellOf(name, state[name]), actions: [] };
    },
    write: ({ [name]: server }) => [server ? `${name} ${quoted(specOf(server))}` : `no ${name}`],
  };
}

function serverOf(call: Call, spec: string): ServerConfig {
  const { address, limits, hasListenerPort } = parseServer(spec, call.where, portOfListener(call));
  return serverAt(resolved(call, address, hasListenerPort ? 0 : 1), { ...limits, hasListenerPort });
}

/** Options and files may say the listener after the server that has its port. */
function portOfListener({ listenPort, state }: Call): string | undefined {
  if (listenPort) return listenPort();
  return defaultPort(state.listen.map(({ text }) => text));
}

function specOf({ endpoint, hasListenerPort, max, hard, weight, prio }: ServerConfig): string {
  const host = endpoint.kind === KIND_IPV6 ? `[${hostText(endpoint)}]` : hostText(endpoint);
  const port = endpoint.kind === KIND_UNIX ? 1 : hasListenerPort ? LISTENER : endpoint.port;
  return `${host}:${port}:${max}:${hard}:${weight}:${prio}`;
}

function tellOf(name: string, server: ServerConfig | undefined): Answer {
  const spec = server ? specOf(server) : '';
  return tellRow({ [name]: spec }, spec === '' ? '' : `${spec}\n`);
}

export const SPECIAL_SERVER_COMMANDS: readonly Command[] = [
  special('emergency', 'The server used when no other can be reached'),
  special('abuse', 'The server for clients that client_acl denies'),
];
