/** The difference between two configurations as lines of commands, and whom it touches. */
import { factsOf, type Action, type Command, type Facts } from './command.ts';
import { COMMANDS } from './commands.ts';
import { farmNames, UNNAMED, viewOfFarm } from './farms.ts';
import { aclOf, EMPTY_CONFIGURATION, isSamePlace, type Configuration } from './model.ts';
import { ABUSE, EMERGENCY } from './rows.ts';

/** More lines than these are counted, not shown. */
const SHOWN_MAX = 200;

const SPECIAL = [
  [EMERGENCY, 'emergency'],
  [ABUSE, 'abuse'],
] as const;

const OF_A_FARM = COMMANDS.filter(({ scope }) => scope === 'farm');
/** Access lists are no farm's. */
const NO_LISTS = { acls: EMPTY_CONFIGURATION.acls, namedAcls: EMPTY_CONFIGURATION.namedAcls };

export interface Difference {
  /** Lines that are no longer true, and those that will be. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** @cost as writing what is not the same object in both. */
export function differenceOf(before: Configuration, after: Configuration): Difference {
  const own = writtenDifference(COMMANDS, ...withoutSame(before, after));
  const farms = changedFarms(before, after).map((name) => differenceOfFarm(name, before, after));
  return joined([own, ...farms]);
}

/** Names of the farms that are not the same objects in both, or not in both. */
function changedFarms({ farms: before }: Configuration, { farms: after }: Configuration): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
}

/** The lines of a farm, its name in front. Of one that comes or goes only what no farm has by itself. */
function differenceOfFarm(name: string, before: Configuration, after: Configuration): Difference {
  const [old, now] = [viewOfFarm(before, name), viewOfFarm(after, name)];
  const { removed, added } = writtenDifference(
    OF_A_FARM,
    ...withoutSame({ ...old, ...NO_LISTS }, { ...now, ...NO_LISTS }),
  );
  const lines = (isThere: boolean, others: Configuration, written: readonly string[]): string[] => {
    if (!isThere) return [];
    const head = others.farms.has(name) ? [] : [`farm ${name}`];
    return [...head, ...written.map((line) => `farm ${name} ${line}`)];
  };
  return {
    removed: lines(before.farms.has(name), after, removed),
    added: lines(after.farms.has(name), before, added),
  };
}

function writtenDifference(commands: readonly Command[], before: Configuration, after: Configuration): Difference {
  return joined(commands.map(({ write }) => between(write?.(before) ?? [], write?.(after) ?? [])));
}

function joined(all: readonly Difference[]): Difference {
  return { removed: all.flatMap(({ removed }) => removed), added: all.flatMap(({ added }) => added) };
}

/** Both without servers and entries of lists that are the same objects in both, and may be many. */
function withoutSame(before: Configuration, after: Configuration): readonly [Configuration, Configuration] {
  const same = before.servers === after.servers && { servers: EMPTY_CONFIGURATION.servers };
  const acls = before.acls.map((entries, id) => withoutEnds(entries, aclOf(after, id)));
  const named = new Map(
    [...before.namedAcls].map(([name, entries]) => [name, withoutEnds(entries, aclOf(after, name))]),
  );
  const old = new Map([...named].map(([name, [entries]]) => [name, entries]));
  const now = new Map([...after.namedAcls].map(([name, entries]) => [name, named.get(name)?.[1] ?? entries]));
  return [
    { ...before, ...same, acls: acls.map(([entries]) => entries), namedAcls: old },
    { ...after, ...same, acls: acls.map(([, entries]) => entries), namedAcls: now },
  ];
}

/** What differs; where lines that stay change their order, all from the first to the last that are not where they were. */
function between(before: readonly string[], after: readonly string[]): Difference {
  const [removed, added] = withoutEnds(before, after);
  const [old, now] = [counted(removed), counted(added)];
  const [olds, nows] = [new Set(old), new Set(now)];
  const [stay, come] = [old.filter((line) => nows.has(line)), now.filter((line) => olds.has(line))];
  if (stay.some((line, index) => line !== come[index])) return { removed, added };
  return {
    removed: removed.filter((_, index) => !nows.has(old[index] ?? '')),
    added: added.filter((_, index) => !olds.has(now[index] ?? '')),
  };
}

/** Both from the first item to the last that is not in the same place, seen from the near end: long lists change little. */
function withoutEnds<T>(
  before: readonly T[],
  after: readonly T[],
): readonly [before: readonly T[], after: readonly T[]] {
  const length = Math.min(before.length, after.length);
  let head = 0;
  while (head < length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
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
  if (action.kind === 'blacklist') {
    const farm = action.farm === undefined ? '' : `farm ${action.farm} `;
    return `${farm}server ${action.server} blacklist ${action.seconds}`;
  }
  if (action.kind === 'close') return `close ${action.connection}`;
  return action.kind === 'statistics' ? 'status' : 'exit';
}

/** What becomes of connections, line by line, and how many there are. */
interface Touched {
  readonly lines: readonly string[];
  readonly sum: number;
}

function touched(before: Configuration, after: Configuration, facts: Facts): string[] {
  const isChanged = new Set(changedFarms(before, after));
  const farms = farmNames(before).filter((name) => name === UNNAMED || isChanged.has(name));
  const all = farms.map((name) => touchedIn(name, before, after, facts));
  const sum = all.reduce((rest, one) => rest + one.sum, 0);
  return [...all.flatMap(({ lines }) => lines), `${sum} connections touched, none ended`];
}

function touchedIn(name: string, before: Configuration, after: Configuration, facts: Facts): Touched {
  const count = (): number => factsOf(facts, name).connectionCount();
  if (name === UNNAMED) return touchedOf(before, after, facts, count);
  if (after.farms.has(name)) {
    const inFarm = factsOf(facts, name);
    const { lines, sum } = touchedOf(viewOfFarm(before, name), viewOfFarm(after, name), inFarm, count);
    return { lines: lines.map((line) => `farm ${name}: ${line}`), sum };
  }
  const sum = count();
  return { lines: [`farm ${name} goes: ${sum} connections go on to their end`], sum };
}

/** @param count all connections of the farm. */
function touchedOf(before: Configuration, after: Configuration, facts: Facts, count: () => number): Touched {
  const lines: string[] = [];
  let sum = 0;
  const tell = (name: string, connections: number, isThere: boolean): void => {
    sum += connections;
    const what = isThere ? 'changes' : 'goes, and gets no new clients';
    lines.push(`${name} ${what}: ${connections} connections go on to their end`);
  };
  const factsOfServer = facts.servers(0, before.servers.length - 1);
  for (const [index, server] of before.servers.entries()) {
    if (server === undefined || server === after.servers[index]) continue;
    tell(`server ${index}`, factsOfServer(index).connections, after.servers[index] !== undefined);
  }
  for (const [number, name] of SPECIAL) {
    if (before[name] === undefined || before[name] === after[name]) continue;
    tell(`the ${name} server`, facts.servers(EMERGENCY, ABUSE)(number).connections, after[name] !== undefined);
  }
  if (!isSamePlace(before.listen, after.listen)) {
    sum = count();
    const what = before.listen.length === 0 ? 'comes' : after.listen.length === 0 ? 'goes' : 'moves';
    lines.push(`the listener ${what}: all ${sum} connections go on`);
  }
  return { lines, sum };
}
