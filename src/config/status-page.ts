/**
 * The status page: the same tables and columns as the original's, a tag on each line as there, so that programs which
 * read it line by line go on; in HTML as of today, in one file, with everything escaped that comes from outside.
 */
import type { Pieces } from './answer.ts';
import { viewInFarm, type ProcessFacts, type View } from './command.ts';
import { textOfListen } from './model.ts';
import {
  allServerPages,
  clientPages,
  connectionPages,
  type ClientRow,
  type ConnectionRow,
  type ServerRow,
} from './rows.ts';

const STYLE = `:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 1.5rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; border: 1px solid #8888; text-align: right; }
th { background: #80f080; color: #000; font-weight: 600; }
td:nth-child(2) { text-align: left; }
tr:nth-child(odd) td { background: #8881; }
`;

/** A heading, and what stands below it. */
type Column<R> = readonly [string, (row: R) => string | number];

const SERVERS: readonly Column<ServerRow>[] = [
  ['server', (row) => row.server],
  ['address', (row) => row.address],
  ['status', (row) => row.failed_at],
  ['port', (row) => row.port],
  ['connections', (row) => row.connections],
  ['max soft', (row) => row.max],
  ['max hard', (row) => row.hard],
  ['sent', (row) => row.sent],
  ['received', (row) => row.received],
  ['weight', (row) => row.weight],
  ['prio', (row) => row.prio],
];

const CLIENTS: readonly Column<ClientRow>[] = [
  ['client', (row) => row.client],
  ['address', (row) => row.address],
  ['age(secs)', (row) => row.age],
  ['last server', (row) => row.server],
  ['connects', (row) => row.connects],
  ['sent', (row) => row.sent],
  ['received', (row) => row.received],
];

const CONNECTIONS: readonly Column<ConnectionRow>[] = [
  ['connection', (row) => row.connection],
  ['downfd', (row) => row.downfd],
  ['upfd', (row) => row.upfd],
  ['pending data down', (row) => row.pending_down],
  ['pending data up', (row) => row.pending_up],
  ['client', (row) => row.client],
  ['server', (row) => row.server],
];

/** The page, in pieces; each tells what holds when it is asked for. */
export function* statusPage(view: View, { localTime, row }: ProcessFacts): Pieces {
  yield `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pen status page</title>
<style>
${STYLE}</style>
</head>
<body><h1>Pen status page</h1>
<p>Time ${escaped(localTime)}, ${view.state.servers.length} servers, ${row.current} current</p>
`;
  yield* table(SERVERS, allServerPages(view));
  yield `<h2>Active clients</h2><p>Max number of clients: ${row.clients_max}</p>\n`;
  yield* table(CLIENTS, clientPages(view));
  const numbers = `${row.conn_max} max, ${row.used} used, ${row.last} last`;
  yield `<h2>Active connections</h2><p>Number of connections: ${numbers}</p>\n`;
  yield* table(CONNECTIONS, connectionPages(view));
  for (const name of view.state.farms.keys()) yield* farmTables(name, viewInFarm(view, name));
  yield '</body>\n</html>\n';
}

/** What the other tables have of the farm without a name. */
function* farmTables(name: string, view: View): Pieces {
  const { servers, listen } = view.state;
  const place = listen.length === 0 ? '' : `, listening on ${escaped(textOfListen(listen))}`;
  yield `<h2>Farm ${escaped(name)}</h2><p>${servers.length} servers${place}</p>\n`;
  yield* table(SERVERS, allServerPages(view));
  yield* table(CLIENTS, clientPages(view));
}

function* table<R>(columns: readonly Column<R>[], pages: Iterable<readonly R[]>): Pieces {
  const heads = columns.map(([head]) => `<th scope="col">${escaped(head)}</th>\n`);
  yield `<table>\n<tr>\n${heads.join('')}</tr>\n`;
  for (const page of pages) yield page.map((row) => tableRow(columns, row)).join('');
  yield '</table>\n';
}

function tableRow<R>(columns: readonly Column<R>[], row: R): string {
  let cells = '';
  for (const [, cell] of columns) {
    const value = cell(row);
    cells += `<td>${typeof value === 'number' ? value : escaped(value)}</td>\n`;
  }
  return `<tr>\n${cells}</tr>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const ORDINARY = /^[\w.:/[\]%-]*$/;

/** Text that may hold anything, also line ends and what no page may hold. */
export function escaped(text: string): string {
  if (ORDINARY.test(text)) return text;
  return text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? '').replace(/\p{Cc}|\p{Cs}/gu, '\ufffd');
}
