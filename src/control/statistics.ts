/**
 * Statistics as text, for USR1: servers, clients and connections, a line each. For people; programs ask the control
 * socket.
 *
 * @owner main thread.
 */
import { hostText } from '../config/address.ts';
import type { Facts } from '../config/command.ts';
import { limitsOf, type Configuration } from '../config/model.ts';

/** Seconds that reach back to every client there is. */
const EVER = Number.MAX_SAFE_INTEGER;

/** @returns lines without line ends, the first one says what follows. */
export function statisticsLines(configuration: Configuration, facts: Facts): string[] {
  const limits = limitsOf(configuration.settings);
  const servers = serverLines(configuration, facts);
  const clients = clientLines(facts);
  const connections = connectionLines(facts);
  return [
    `statistics: ${servers.length} servers, ${clients.length} clients, ${connections.length} connections`,
    ...servers,
    `clients: at most ${limits.clientsMax}`,
    ...clients,
    `connections: at most ${limits.connMax}`,
    ...connections,
  ];
}

function serverLines({ servers }: Configuration, facts: Facts): string[] {
  const figuresOf = facts.servers();
  return servers.flatMap((server, index) => {
    if (!server) return [];
    const { inFlight, sent, received } = figuresOf(index);
    const port = 'port' in server.endpoint ? ` port ${server.endpoint.port}` : '';
    return [
      `server ${index}: address ${hostText(server.endpoint)}${port}, ` +
        `${inFlight} connections (${server.max} soft, ${server.hard} hard), sent ${sent}, received ${received}`,
    ];
  });
}

function clientLines(facts: Facts): string[] {
  return [...facts.clients(EVER)].flatMap((page) =>
    page.map(
      ({ address, connects, sent, received }) =>
        `client ${address}: ${connects} connects, sent ${sent}, received ${received}`,
    ),
  );
}

function connectionLines(facts: Facts): string[] {
  const lines: string[] = [];
  for (const number of facts.connections()) {
    const connection = facts.connection(number);
    if (connection === undefined || connection.state === 0) continue;
    const { state, downFd, upFd, client, server } = connection;
    lines.push(
      `connection ${number}: state ${state}, downfd ${downFd}, upfd ${upFd}, client ${client}, server ${server}`,
    );
  }
  return lines;
}
