/** Applies lines to a state: each to the farm that it is said of. */
import { factsOf, type Action, type Call, type Command, type Outcome } from './command.ts';
import type { Line } from './commands.ts';
import { isOff, NOT_YET } from './commands/later.ts';
import { checkFarmRoom, farmOf, noSuchFarm, parseFarm, UNNAMED, viewOfFarm } from './farms.ts';
import { ConfigError, type Configuration } from './model.ts';
import { shorten } from './numbers.ts';
import { partOfFarm, shared, type Part } from './parts.ts';

/** What a line is applied with. */
export interface Context extends Pick<Call, 'facts' | 'hosts' | 'servicePort' | 'isPeer' | 'pathOf' | 'growing'> {
  /** As that of a call, for each farm. */
  readonly listenPort?: (farm: string) => string | undefined;
}

/** What a line is applied with in its farm. */
type FarmContext = Omit<Call, 'state' | 'isNo' | 'words' | 'where'>;
type CommandLine = Extract<Line, { kind: 'command' }>;

/**
 * Applies a line that was read to a state; neither is changed.
 *
 * @param where in front of the word in errors: an option or file:line; empty for the control socket.
 * @errors ConfigError that names where, the word, and what would be right.
 */
export function applyLine(state: Configuration, line: Line, where: string, context: Context): Outcome {
  const applying = new Applying(state, context);
  const { reply, actions } = applying.apply(line, where);
  return { state: applying.finish(), reply, actions };
}

/**
 * Lines applied to a state, one after the other. The farm that a line is said of stays open, so that a line of a block
 * costs no more than it would alone.
 */
export class Applying {
  private readonly before: Configuration;
  private readonly context: Context;
  /** Everything but what was said of the open farm since it was opened. */
  private whole: Configuration;
  private farm = UNNAMED;
  /** What commands see of the open farm. */
  private view: Configuration;
  private inside: FarmContext;
  /** Farms of ours alone, which may change in place. */
  private owned: Configuration['farms'] | undefined;

  constructor(before: Configuration, context: Context) {
    [this.before, this.whole, this.view] = [before, before, before];
    this.context = context;
    this.inside = contextIn(context, UNNAMED);
  }

  /** @errors as `applyLine`. Then nothing is changed, but a farm may have been made that has nothing in it. */
  apply(line: Line, where: string): Omit<Outcome, 'state'> {
    if (line.kind === 'command') this.enter(line, where);
    const { state, reply, actions } = applyInside(this.view, line, where, this.inside);
    this.view = state;
    return { reply, actions: this.farm === UNNAMED ? actions : actions.map((action) => actionIn(action, this.farm)) };
  }

  /** What came of all lines. A farm that is as it was is the very same object. */
  finish(): Configuration {
    this.open(UNNAMED);
    const farms = shared(this.before.farms, this.view.farms);
    return farms === this.view.farms ? this.view : { ...this.view, farms };
  }

  /** Opens the farm of a line. @errors ConfigError when it cannot be said of that. */
  private enter(line: CommandLine, where: string): void {
    const { farm } = line;
    checkScope(line, where);
    if (farm === this.farm) return;
    this.open(UNNAMED);
    if (farm === UNNAMED) return;
    const there = whereOf(where, 'farm');
    parseFarm(farm, there);
    if (!this.whole.farms.has(farm)) {
      // Who asks about a farm has misspelled its name; who says something of it makes it.
      if (partsOf(line).length === 0) throw new ConfigError(there, noSuchFarm(farm));
      checkFarmRoom(this.whole, there);
    }
    this.open(farm);
  }

  /** Puts back what is open, and opens another farm. */
  private open(farm: string): void {
    if (this.farm === UNNAMED) this.whole = this.view;
    else this.whole = { ...this.whole, farms: this.with(this.farm, farmOf(this.view, UNNAMED)) };
    this.farm = farm;
    this.view = viewOfFarm(this.whole, farm);
    this.inside = contextIn(this.context, farm);
  }

  private with(name: string, farm: ReturnType<typeof farmOf>): Configuration['farms'] {
    const farms =
      this.whole.farms === this.owned ? (this.owned as Map<string, typeof farm>) : new Map(this.whole.farms);
    this.owned = farms;
    return farms.set(name, farm);
  }
}

function contextIn({ listenPort, facts, ...context }: Context, farm: string): FarmContext {
  return { ...context, facts: factsOf(facts, farm), ...(listenPort && { listenPort: () => listenPort(farm) }) };
}

function actionIn(action: Action, farm: string): Action {
  return action.kind === 'blacklist' ? { ...action, farm } : action;
}

/** @errors ConfigError for a command that is said of a farm, and can be of none. */
export function checkScope({ command, farm, isNo }: CommandLine, where: string): void {
  if (farm === UNNAMED || command.scope !== 'process') return;
  throw new ConfigError(
    whereOf(where, isNo ? `no ${command.name}` : command.name),
    `is about the whole process; say it without farm ${shorten(farm)}, in a file before the first farm`,
  );
}

/** What a line that was obeyed says something about. */
export function partsOf(line: Line): readonly Part[] {
  if (line.kind !== 'command') return [];
  const parts = line.command.sets?.(line.words) ?? [];
  if (line.farm === UNNAMED || parts.length === 0) return parts;
  return [{ of: 'farms', farm: line.farm }, ...parts.map((part) => partOfFarm(line.farm, part))];
}

/** Applies a line to the configuration as its farm sees it. */
function applyInside(state: Configuration, line: Line, where: string, context: FarmContext): Outcome {
  if (line.kind === 'empty') return { state, reply: '', actions: [] };
  if (line.kind === 'later' && isOff(line.word)) return { state, reply: '', actions: [] };
  if (line.kind === 'later') throw new ConfigError(whereOf(where, line.word), NOT_YET);
  if (line.kind === 'unknown') {
    const word = shorten(line.isNo ? `no ${line.word}`.trim() : line.word);
    throw new ConfigError(whereOf(where, word), `there is no such command; 'help' lists them`);
  }
  const { command, isNo, words } = line;
  const name = isNo ? `no ${command.name}` : command.name;
  // The context stands last, because V8 takes 6 us to add properties to a copy, and 60 ns to copy some to an object.
  const call: Call = { state, isNo, words, where: whereOf(where, name), ...context };
  return context.isPeer && (command.isForFiles || command.isForStart) ? runForPeer(command, call) : command.run(call);
}

/**
 * A peer may ask, and say what is so anyway, as a file does that `write` has made: so no answer shows what is not in
 * force. @errors ConfigError for a change.
 */
function runForPeer(command: Command, call: Call): Outcome {
  const { state } = call;
  const outcome = command.run({ ...call, pathOf: (path) => path });
  if (shared(state, outcome.state) === state) return { ...outcome, state };
  throw new ConfigError(
    call.where,
    command.isForFiles
      ? 'options and files may say it, the control socket must not'
      : 'is settled at the start; options and the file of -F can say it for the next one',
  );
}

export function whereOf(where: string, word: string): string {
  return where === '' ? word : `${where} '${word}'`;
}
