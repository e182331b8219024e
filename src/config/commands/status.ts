/** Commands about statistics: the status page, and the file it is kept in. */
import type { Answer } from '../answer.ts';
import type { Action, Command, View } from '../command.ts';
import { PROCESS_FIELDS } from '../process-row.ts';
import { statusPage } from '../status-page.ts';
import {
  allServerPages,
  CLIENT_FIELDS,
  clientPages,
  CONNECTION_FIELDS,
  connectionPages,
  SERVER_FIELDS,
} from '../rows.ts';
import { FARM_FIELDS, farmPages } from './farms.ts';
import { path } from './kinds.ts';

const subject = 'process';
const WRITE: readonly Action[] = [{ kind: 'statistics' }];

const status: Command = {
  name: 'status',
  subject,
  help: 'Tell about everything, as a page in HTML',
  parameters: [],
  no: undefined,
  told: {
    fields: PROCESS_FIELDS,
    lists: { servers: SERVER_FIELDS, clients: CLIENT_FIELDS, connections: CONNECTION_FIELDS, farms: FARM_FIELDS },
  },
  run: ({ state, facts }) => {
    const now = facts.process();
    // As the original says when it cannot.
    if (!now) return { state, reply: { mistake: 'Unable to create webstats\n' }, actions: [] };
    const view: View = { state, facts };
    const reply: Answer = {
      text: () => statusPage(view, now),
      row: now.row,
      lists: {
        servers: () => allServerPages(view),
        clients: () => clientPages(view),
        connections: () => connectionPages(view),
        ...(state.farms.size > 0 && { farms: () => farmPages(view) }),
      },
    };
    return { state, reply, actions: state.settings.webStats === '' ? [] : WRITE };
  },
};

export const STATUS_COMMANDS: readonly Command[] = [
  status,
  path({ name: 'web_stats', subject, help: 'File that USR1 and status write that page to', key: 'webStats' }),
];
