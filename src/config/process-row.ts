/** What is told about the process as a whole: a row of named fields, for `status`. */
import { field, type Fields } from './answer.ts';

export type ProcessRow = {
  readonly version: string;
  readonly pid: number;
  readonly time: number;
  readonly uptime: number;
  readonly loop: string;
  readonly workers: number;
  readonly listen: string;
  readonly control: string;
  readonly current: number;
  readonly clients_max: number;
  readonly conn_max: number;
  readonly used: number;
  readonly last: number;
  readonly waiting: number;
  readonly parked: number;
  readonly descriptors: number;
} & ProcessCounts;

/** What is counted from the start on. */
export type ProcessCounts = {
  readonly accepted: number;
  readonly connected: number;
  readonly connect_failed: number;
  readonly connect_timed_out: number;
  readonly failed_over: number;
  readonly unserved: number;
  readonly denied: number;
  readonly refused: number;
  readonly closed_orderly: number;
  readonly closed_abort: number;
  readonly closed_idle: number;
  readonly paused_full: number;
  readonly paused_pending: number;
  readonly paused_descriptors: number;
};

const COUNT_FIELDS: Fields<ProcessCounts> = {
  accepted: field('connections accepted'),
  connected: field('connects that have succeeded'),
  connect_failed: field('connects that were refused, or failed in another way'),
  connect_timed_out: field('connects that were given up'),
  failed_over: field('times a client was given another server because one had failed'),
  unserved: field('clients closed because no server could be reached'),
  denied: field('clients closed because client_acl denies them'),
  refused: field('clients closed because their address has too many connections'),
  closed_orderly: field('connections that have ended in order'),
  closed_abort: field('connections that were reset, or ended by close'),
  closed_idle: field('connections ended because they were idle'),
  paused_full: field('times accepting paused because conn_max was reached'),
  paused_pending: field('times accepting paused because pending_max was reached'),
  paused_descriptors: field('times accepting paused for lack of descriptors'),
};

export const PROCESS_FIELDS: Fields<ProcessRow> = {
  version: field('the version of Pen'),
  pid: field('the process number'),
  time: field('now', 'seconds since 1970'),
  uptime: field('since the start', 'seconds'),
  loop: field('what moves the bytes: uring, epoll or node'),
  workers: field('threads that move the bytes'),
  listen: field('where clients come to'),
  control: field('where commands come to; empty: nowhere'),
  current: field('server that the client who came last was sent to; 0 before there was one'),
  clients_max: field('clients remembered at most'),
  conn_max: field('connections at once at most'),
  used: field('connections in use now'),
  last: field('number of the connection in use that was accepted last; 0 when none is'),
  waiting: field('connections that wait for their server now'),
  parked: field('connections beyond source_max that wait now'),
  descriptors: field('descriptors that the workers have open'),
  ...COUNT_FIELDS,
};
