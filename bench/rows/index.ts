/** All rows by name. */
import type { RowDefinition } from '../bench.ts';
import type { RowName } from '../options.ts';
import { bulkRow } from './bulk.ts';
import { crowdRow } from './crowd.ts';
import { farmsRow } from './farms.ts';
import { idleCpuRow } from './idle-cpu.ts';
import { idleMemoryRow } from './idle-memory.ts';
import { latencyRow } from './latency.ts';
import { acceptListsRow, listsRow } from './lists.ts';
import { logRow } from './log.ts';
import { lookupRow } from './lookup.ts';
import { requestRow } from './requests.ts';
import { startRow } from './start.ts';
import { statisticsRow } from './statistics.ts';
import { trackingRow } from './tracking.ts';

/** What `--rows` chooses from. */
export const rows: Readonly<Record<RowName, RowDefinition>> = {
  ka1: requestRow('ka1', 1, false),
  ka16: requestRow('ka16', 16, false),
  ka64: requestRow('ka64', 64, false),
  ka256: requestRow('ka256', 256, false),
  close64: requestRow('close64', 64, true),
  bulk1: bulkRow('bulk1', 1),
  bulk8: bulkRow('bulk8', 8),
  crowd: crowdRow,
  latency: latencyRow,
  'idle-memory': idleMemoryRow,
  'idle-cpu': idleCpuRow,
  start: startRow,
  lookup: lookupRow,
  tracking: trackingRow,
  statistics: statisticsRow,
  log: logRow,
  lists: listsRow,
  'accept-lists': acceptListsRow,
  farms: farmsRow,
};
