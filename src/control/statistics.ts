/**
 * Statistics for those who do not ask by the control socket: as text, for USR1, and as a page in a file. Programs had
 * better ask for JSON.
 *
 * @owner main thread.
 */
import { viewInFarm, type ProcessFacts, type View } from '../config/command.ts';
import { textOfListen } from '../config/model.ts';
import {
  allServerPages,
  clientPages,
  connectionPages,
  type ClientRow,
  type ConnectionRow,
  type ServerRow,
} from '../config/rows.ts';
import { statusPage } from '../config/status-page.ts';
import { fileReason, replaceFile } from './safe-file.ts';

/** Who serves the page may be somebody else. */
const MODE = 0o644;

/** Lines without line ends; each is made when it is asked for. */
export function* statisticsLines(view: View, { localTime, row }: ProcessFacts): Generator<string> {
  yield `Time ${localTime}, ${view.state.servers.length} servers, ${row.current} current`;
  for (const page of allServerPages(view)) yield* page.map(serverLine);
  yield `Max number of clients: ${row.clients_max}`;
  for (const page of clientPages(view)) yield* page.map(clientLine);
  yield `Number of connections: ${row.conn_max} max, ${row.used} used, ${row.last} last`;
  for (const page of connectionPages(view)) yield* page.map(connectionLine);
  for (const name of view.state.farms.keys()) yield* farmLines(name, viewInFarm(view, name));
}

/** Servers and clients of a farm with a name; the lines above are about the one without. */
function* farmLines(name: string, view: View): Generator<string> {
  const { servers, listen } = view.state;
  yield `Farm ${name}: ${servers.length} servers${listen.length === 0 ? '' : `, listening on ${textOfListen(listen)}`}`;
  for (const page of allServerPages(view)) yield* page.map(serverLine);
  for (const page of clientPages(view)) yield* page.map(clientLine);
}

function serverLine({ server, address, port, failed_at, connections, max, hard, sent, received }: ServerRow): string {
  const limits = `${connections} connections (${max} soft, ${hard} hard)`;
  return `Server ${server}: address ${address}, status ${failed_at}, port ${port}, ${limits}, ${sent} sent, ${received} received`;
}

function clientLine({ client, address, age, server, connects, sent, received }: ClientRow): string {
  const last = `last used ${age} seconds ago, last server ${server}`;
  return `Client ${client}: address ${address}, ${last}, ${connects} connects, ${sent} sent, ${received} received`;
}

function connectionLine({ connection, state, downfd, upfd, client, server, ...row }: ConnectionRow): string {
  const pending = `pending ${row.pending_down} down, ${row.pending_up} up`;
  return `Connection ${connection}: state ${state}, downfd ${downfd}, upfd ${upfd}, ${pending}, client ${client}, server ${server}`;
}

/** The page in its file. */
export class StatisticsFile {
  private readonly view: () => View;
  private readonly say: (text: string) => void;
  private readonly eyes: string;
  private writing: Promise<void> = Promise.resolve();
  /** Whoever asks before it begins gets this one. */
  private next: Promise<void> | undefined;
  /** What was said last about a failure; nobody wants to read it ten times a second. */
  private told = '';

  /**
   * @param view what is in force, and what is to be told. @param say is told when it cannot be written.
   * @param eyes whose eyes we see files with; for that.
   */
  constructor(view: () => View, say: (text: string) => void, eyes = '') {
    this.view = view;
    this.say = say;
    this.eyes = eyes;
  }

  /**
   * Writes the page as it is now, in its turn: however many ask at once, one page is written at a time, and at most one
   * more after it.
   *
   * @returns settles when a page that was begun after the call stands in the file, or cannot be written, which is said.
   */
  async write(): Promise<void> {
    this.next ??= this.writeAfter(this.writing);
    this.writing = this.next;
    return this.next;
  }

  private async writeAfter(before: Promise<void>): Promise<void> {
    await before;
    this.next = undefined;
    await this.writeNow();
  }

  private async writeNow(): Promise<void> {
    const view = this.view();
    const path = view.state.settings.webStats;
    const now = view.facts.process();
    if (path === '' || !now) return;
    try {
      await replaceFile(path, statusPage(view, now), { mode: MODE, keepsOwner: true });
      this.told = '';
    } catch (error) {
      const text = `web_stats: cannot write the status page to '${path}'${this.eyes}: ${fileReason(error)}`;
      if (text !== this.told) this.say(text);
      this.told = text;
    }
  }
}
