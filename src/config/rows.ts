/**
 * What is told about servers, clients and connections: each a row of named fields, for `servers`, `clients`,
 * `connections`, `status` and the statistics that USR1 asks for.
 */
import { KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import { hostText } from './address.ts';
import { field, type Fields } from './answer.ts';
import type { Facts, View } from './command.ts';
import { UNSET_SERVER, type AclId, type ServerConfig } from './model.ts';

/** Rows of a page that is made at once: some 5 KB of text, which Node hands to the kernel without a copy of its own. */
const PAGE_ROWS = 64;
/** Seconds that reach back to every client there is. */
const EVER_S = Number.MAX_SAFE_INTEGER;

/** Numbers of the servers that are in no list, and of none. */
export const EMERGENCY = -1;
export const ABUSE = -2;
export const NO_SERVER = -3;

/* ---- servers ---- */

/** What only a running balancer knows of a server. */
export type ServerFacts = {
  readonly connections: number;
  readonly sent: number;
  readonly received: number;
  readonly failed_at: number;
  readonly blacklisted: number;
  readonly connects: number;
  readonly failures: number;
};

export type ServerRow = {
  readonly server: number;
  readonly address: string;
  readonly port: number;
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
  readonly acl: AclId;
} & ServerFacts;

export const SERVER_FIELDS: Fields<ServerRow> = {
  server: field('its number; -1 emergency server, -2 abuse server'),
  address: field('its address, or the path of its unix socket'),
  port: field('its port; 1 for a unix socket, 0 for that of the listener a client comes by'),
  max: field('soft limit of connections; 0 none'),
  hard: field('hard limit of connections; 0 none'),
  weight: field('its weight'),
  prio: field('its priority'),
  acl: field('access list that its clients must pass, a number or a name'),
  connections: field('connections to it now, those that are being made included'),
  sent: field('sent to it', 'bytes'),
  received: field('received from it', 'bytes'),
  failed_at: field('when it last failed; 0 never, or it has worked since', 'seconds since 1970'),
  blacklisted: field('for how much longer it is passed over; 0 it is not', 'seconds'),
  connects: field('connects that have succeeded; begins anew after 4294967295'),
  failures: field('connects that have failed; begins anew after 4294967295'),
};

export const NO_SERVER_FACTS: ServerFacts = {
  connections: 0,
  sent: 0,
  received: 0,
  failed_at: 0,
  blacklisted: 0,
  connects: 0,
  failures: 0,
};

function serverRow(config: ServerConfig, server: number, factsOf: (server: number) => ServerFacts): ServerRow {
  const { endpoint, max, hard, weight, prio, acl } = config;
  const [address, port] = [hostText(endpoint), portOf(endpoint)];
  return { server, address, port, max, hard, weight, prio, acl, ...factsOf(server) };
}

/** A unix socket is shown with port 1, as it always was. */
export function portOf(endpoint: Endpoint): number {
  return endpoint.kind === KIND_UNIX ? 1 : endpoint.port;
}

/** All numbers up to the highest that was ever said; one that nobody has said anything about is told as unset. */
export function* serverPages(view: View): Generator<readonly ServerRow[]> {
  for (let from = 0; from < view.state.servers.length; from += PAGE_ROWS) yield serversFrom(view, from);
}

/** Made apart, because what a generator has in hand lives as long as a slow reader wants. */
function serversFrom({ state: { servers }, facts }: View, from: number): ServerRow[] {
  const factsOf = facts.servers(from, from + PAGE_ROWS - 1);
  return servers.slice(from, from + PAGE_ROWS).map((each, i) => serverRow(each ?? UNSET_SERVER, from + i, factsOf));
}

/** The same, and behind them emergency and abuse server, if there are any. */
export function* allServerPages(view: View): Generator<readonly ServerRow[]> {
  yield* serverPages(view);
  const { emergency, abuse } = view.state;
  const factsOf = view.facts.servers(EMERGENCY, ABUSE);
  const others = [emergency && serverRow(emergency, EMERGENCY, factsOf), abuse && serverRow(abuse, ABUSE, factsOf)];
  yield others.filter((row) => row !== undefined);
}

/* ---- clients ---- */

export type ClientRow = {
  readonly client: number;
  readonly address: string;
  readonly age: number;
  readonly server: number;
  readonly connects: number;
  readonly sent: number;
  readonly received: number;
};

export const CLIENT_FIELDS: Fields<ClientRow> = {
  client: field('its number'),
  address: field('its address; unix for all that come by a unix socket'),
  age: field('since its last connection began', 'seconds'),
  server: field('server it was last sent to; -3 none'),
  connects: field('connections it has begun; begins anew after 4294967295'),
  sent: field('sent to it', 'bytes'),
  received: field('received from it', 'bytes'),
};

/** @param withinSeconds whose last connection began within so many seconds. **Default** all. */
export function clientPages({ facts }: View, withinSeconds = EVER_S): Iterable<readonly ClientRow[]> {
  return facts.clients(withinSeconds);
}

/* ---- connections ---- */

export type ConnectionRow = {
  readonly connection: number;
  readonly state: number;
  readonly downfd: number;
  readonly upfd: number;
  readonly pending_down: number;
  readonly pending_up: number;
  readonly client: number;
  readonly address: string;
  readonly server: number;
  readonly farm: string;
  readonly age: number;
  readonly idle: number;
  readonly bytes_up: number;
  readonly bytes_down: number;
};

export const CONNECTION_FIELDS: Fields<ConnectionRow> = {
  connection: field('its number'),
  state: field(
    'a sum: 0 unused, 1 connecting, 2 connected, 4 end from the server seen, 8 end from the client seen, 32 waiting',
  ),
  downfd: field('descriptor of the client side; -1 none'),
  upfd: field('descriptor of the server side; -1 none'),
  pending_down: field('received from the server and not yet sent to the client', 'bytes'),
  pending_up: field('received from the client and not yet sent to the server', 'bytes'),
  client: field('number of its client'),
  address: field('address and port it came from, as in 192.0.2.7:51234; unix by a unix socket, empty when unused'),
  server: field('its server; -1 emergency server, -2 abuse server, -3 none'),
  farm: field('its farm; empty for the one without a name'),
  age: field('since it was accepted', 'seconds'),
  idle: field('since bytes last moved', 'seconds'),
  bytes_up: field('received from the client', 'bytes'),
  bytes_down: field('received from the server', 'bytes'),
};

/** What is told about a number that no connection has. */
export function unusedConnection(connection: number): ConnectionRow {
  const none = { downfd: -1, upfd: -1, pending_down: 0, pending_up: 0, client: 0, address: '', server: 0, farm: '' };
  return { connection, state: 0, ...none, age: 0, idle: 0, bytes_up: 0, bytes_down: 0 };
}

/** Those that are in use. */
export function* connectionPages({ facts }: View): Generator<readonly ConnectionRow[]> {
  for (let from = 0; ;) {
    const page = connectionsFrom(facts, from);
    yield page.rows;
    if (page.next === undefined) return;
    from = page.next;
  }
}

function connectionsFrom(
  facts: Facts,
  from: number,
): { readonly rows: readonly ConnectionRow[]; readonly next: number | undefined } {
  const numbers = facts.connections(from, PAGE_ROWS);
  const rows = numbers.map((number) => facts.connection(number));
  const last = numbers.length < PAGE_ROWS ? undefined : numbers.at(-1);
  return {
    rows: rows.filter((row) => row !== undefined && row.state !== 0) as ConnectionRow[],
    next: last === undefined ? undefined : last + 1,
  };
}
