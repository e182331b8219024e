/** The difference between two configurations as lines of commands, and whom it touches. */
import type { Action, Facts } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EMPTY_CONFIGURATION, type Configuration } from './model.ts';
import { ABUSE, EMERGENCY } from './rows.ts';

/** More lines than these are counted, not shown. */
const SHOWN_MAX = 200;

const SPECIAL = [
  [EMERGENCY, 'emergency'],
  [ABUSE, 'abuse'],
] as const;

export interface Difference {
  /** Lines that are no longer true, and those that will be. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** @cost as writing what is not the same object in both. */
export function differenceOf(before: Configuration, after: Configuration): Difference {
  const [old, now] = withoutSame(before, after);
  const all = COMMANDS.map(({ write }) => between(write?.(old) ?? [], write?.(now) ?? []));
  return { removed: all.flatMap(({ removed }) => removed), added: all.flatMap(({ added }) => added) };
}

/** Both without the tables that are the same in both and may be long. */
function withoutSame(before: Configuration, after: Configuration): readonly [Configuration, Configuration] {
  const { servers, acls, namedAcls } = EMPTY_CONFIGURATION;
  const same = {
    ...(before.servers === after.servers && { servers }),
    ...(before.acls === after.acls && { acls }),
    ...(before.namedAcls === after.namedAcls && { namedAcls }),
  };
  return [
    { ...before, ...same },
    { ...after, ...same },
  ];
}

/** What differs; where lines that stay change their order, all from the first to the last that are not where they were. */
function between(before: readonly string[], after: readonly string[]): Difference {
  const [old, now] = [counted(before), counted(after)];
  const isIn = (lines: ReadonlySet<string>) => (line: string) => lines.has(line);
  const [stay, come] = [old.filter(isIn(new Set(now))), now.filter(isIn(new Set(old)))];
  if (stay.every((line, index) => line === come[index])) {
    const [olds, nows] = [new Set(old), new Set(now)];
    return {
      removed: before.filter((_, index) => !nows.has(old[index] ?? '')),
      added: after.filter((_, index) => !olds.has(now[index] ?? '')),
    };
  }
  const first = after.findIndex((line, index) => line !== before[index]);
  let tail = 0;
  while (before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { removed: before.slice(first, before.length - tail), added: after.slice(first, after.length - tail) };
}

/** Lines with how often they have been there already, so that no two are the same. */
function counted(lines: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  return lines.map((line) => {
    const count = (counts.get(line) ?? 0) + 1;
    counts.set(line, count);
    return count === 1 ? line : `${line}\n${count}`;
  });
}

/** What a plan is about. */
export interface Planned {
  readonly before: Configuration;
  readonly after: Configuration;
  /** What is done once it is in force. */
  readonly actions: readonly Action[];
  /** What else there is to say. */
  readonly notices: readonly string[];
}

/** The plan for a person: what to know, the difference, what is done, then the connections it touches, which all go on. */
export function planText({ before, after, actions, notices }: Planned, facts: Facts): string {
  const { removed, added } = differenceOf(before, after);
  const lines = [...removed.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)];
  const more = lines.length - SHOWN_MAX;
  const done = actions.map((action) => `does ${actionText(action)}`);
  const isNothing = lines.length === 0 && done.length === 0;
  return [
    ...notices,
    ...lines.slice(0, SHOWN_MAX),
    ...(more > 0 ? [`and ${more} more lines`] : []),
    ...done,
    ...(isNothing ? ['nothing would change'] : touched(before, after, facts)),
    '',
  ].join('\n');
}

/** As the command that says it. */
function actionText(action: Action): string {
  if (action.kind === 'blacklist') return `server ${action.server} blacklist ${action.seconds}`;
  if (action.kind === 'close') return `close ${action.connection}`;
  return action.kind === 'statistics' ? 'status' : 'exit';
}

function touched(before: Configuration, after: Configuration, facts: Facts): string[] {
  const lines: string[] = [];
  let sum = 0;
  const tell = (name: string, connections: number, isThere: boolean): void => {
    sum += connections;
    const what = isThere ? 'changes' : 'goes, and gets no new clients';
    lines.push(`${name} ${what}: ${connections} connections go on to their end`);
  };
  const factsOf = facts.servers(0, before.servers.length - 1);
  for (const [index, server] of before.servers.entries()) {
    if (server === undefined || server === after.servers[index]) continue;
    tell(`server ${index}`, factsOf(index).connections, after.servers[index] !== undefined);
  }
  for (const [number, name] of SPECIAL) {
    if (before[name] === undefined || before[name] === after[name]) continue;
    tell(`the ${name} server`, facts.servers(EMERGENCY, ABUSE)(number).connections, after[name] !== undefined);
  }
  if (before.listen?.endpoint !== after.listen?.endpoint) {
    sum = facts.connections(0, Number.MAX_SAFE_INTEGER).length;
    lines.push(`the listener moves: all ${sum} connections go on`);
  }
  return [...lines, `${sum} connections touched, none ended`];
}
