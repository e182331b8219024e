/**
 * Runs commands against the running balancer, one at a time: from the state there is to the next, which is put in
 * force as a difference, and back to an answer.
 *
 * @owner main thread.
 */
import { jsonError, jsonOf, textOf, type Pieces, type Reply } from '../config/answer.ts';
import { viewInFarm, type Action, type Facts, type View } from '../config/command.ts';
import { checkScope } from '../config/apply.ts';
import { applyLine, hostsOf, readLine, type Context, type Line } from '../config/commands.ts';
import { isOff, NOT_YET } from '../config/commands/later.ts';
import { UNNAMED } from '../config/farms.ts';
import { ConfigError, visible, type Configuration } from '../config/model.ts';
import { pathWithin } from './config-file.ts';
import { Lookups, type LookUp } from './lookups.ts';

/** A configuration that can be put in force. */
export interface Prepared {
  /** What a person should know of it. */
  readonly notices: readonly string[];
  /** Puts it in force. @errors ConfigError when it cannot be after all; then the old configuration is in force. */
  readonly commit: () => Promise<void>;
}

/** What a controller controls. */
export interface Controlled {
  /** What is in force. */
  readonly configuration: Configuration;
  /** @errors ConfigError when it cannot be; then the old configuration is in force. */
  apply(configuration: Configuration): Promise<void>;
  /** Looks again at files that it names, and finds out whether it can be. @errors ConfigError when it cannot. */
  prepare(configuration: Configuration): Promise<Prepared>;
  /** Obeys what is not configuration; `exit` included. */
  act(action: Action): Promise<void>;
}

/** A command that takes files and time, and the farm that it is said of. @errors ConfigError. */
export type Errand = (words: readonly string[], controller: Controller, farm: string) => Promise<Reply>;

export interface ControllerOptions {
  readonly controlled: Controlled;
  readonly facts: Facts;
  readonly lookUp: LookUp;
  readonly servicePort: (name: string) => number | undefined;
  /** By the name of the command. **Default** none: such commands are refused. */
  readonly errands?: ReadonlyMap<string, Errand>;
  /** Tells what an answer has no place for. */
  readonly say: (text: string) => void;
}

type CommandLine = Extract<Line, { kind: 'command' }>;

/** What came of a line; after a mistake also what is answered to those who do not ask for JSON. */
type Result = { readonly reply: Reply } | { readonly error: string; readonly otherwise: Reply };

/** What came of a command in its turn, and what is still to be done, while others have theirs. */
interface Applied {
  readonly reply: Reply;
  readonly late: readonly Action[];
}

/** What is different for those who come by the control socket. */
export function peerRights({ settings }: Configuration): Pick<Context, 'isPeer' | 'pathOf'> {
  return { isPeer: true, pathOf: (name, where) => pathWithin(settings.controlDir, name, where) };
}

/** A line whose answer is to be JSON, and the line behind that wish. */
const JSON_LINE = /^[ \t]*--json(?:[ \t]+|(?=[\r\n]|$))([^]*)/;

/** Nothing is wrong with the command, but it cannot be here, as a port that is taken: that is told in any case. */
class Refusal extends ConfigError {}

export class Controller {
  private readonly options: ControllerOptions;
  private readonly lookups: Lookups;
  /** Settles when the command before is done. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(options: ControllerOptions) {
    this.options = options;
    this.lookups = new Lookups(options.lookUp);
  }

  get configuration(): Configuration {
    return this.options.controlled.configuration;
  }

  /**
   * Runs one line.
   *
   * Names are looked up before the line gets its turn, so that other commands do not wait for name servers.
   * @param text a line; with `--json` in front the answer is a JSON document.
   * @returns what is to be answered. A mistake changes nothing: a command that tells a value answers with the one in
   * force, one that only obeys with a line that says what was wrong; in JSON that is `error` in both cases.
   */
  async execute(text: string): Promise<string | Pieces> {
    const rest = JSON_LINE.exec(text)?.[1];
    const result = await this.run(readLine(rest ?? text));
    if ('error' in result) return rest === undefined ? textOf(result.otherwise) : jsonError(result.error);
    return rest === undefined ? textOf(result.reply) : jsonOf(result.reply);
  }

  /** Does something while no other command does: what it finds in force stays so until it is done. */
  async inTurn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(body);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  /** Puts a state in force, then does what is to be done. In turn only. @errors ConfigError. */
  async change(state: Configuration, actions: readonly Action[]): Promise<void> {
    await this.options.controlled.apply(state);
    await this.act(actions);
  }

  /** Finds out whether a state can be in force. Then it can be put in force within the same turn. @errors ConfigError. */
  async prepare(state: Configuration): Promise<Prepared> {
    return this.options.controlled.prepare(state);
  }

  async act(actions: readonly Action[]): Promise<void> {
    for (const action of actions) await this.options.controlled.act(action);
  }

  private async run(line: Line): Promise<Result> {
    if (line.kind === 'empty') return { reply: '' };
    if (line.kind === 'unknown') {
      const word = visible(line.word);
      const error = `there is no command '${line.isNo ? `no ${word}` : word}'`;
      return { error, otherwise: line.isNo ? '' : `do_cmd: ignoring command starting with '${word}'\n` };
    }
    if (line.kind === 'command') return this.runCommand(line);
    if (isOff(line.word)) return { reply: '' };
    const error = `${line.word}: ${NOT_YET}`;
    return { error, otherwise: `${error}\n` };
  }

  private async runCommand(line: CommandLine): Promise<Result> {
    const { command, words, farm } = line;
    try {
      checkScope(line, '');
      const errand = command.isErrand ? this.options.errands?.get(command.name) : undefined;
      if (errand) return { reply: await errand(words, this, farm) };
      const hosts = await this.lookups.find(hostsOf(line, ''), command.name);
      const { reply, late } = await this.inTurn(async () => this.apply(line, hosts));
      for (const action of late) await this.options.controlled.act(action);
      return { reply };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { error: error.message, otherwise: this.answerTo(error, line) };
    }
  }

  private async apply(line: CommandLine, hosts: Awaited<ReturnType<Lookups['find']>>): Promise<Applied> {
    const { controlled, facts, servicePort } = this.options;
    const { state, reply, actions } = applyLine(controlled.configuration, line, '', {
      facts,
      hosts,
      servicePort,
      ...peerRights(controlled.configuration),
    });
    const late = actions.filter(({ kind }) => kind === 'statistics');
    const now = actions.filter((action) => !late.includes(action));
    await this.change(state, now).catch((error: unknown) => {
      throw error instanceof ConfigError ? new Refusal(error.where, error.reason) : error;
    });
    // What came of it may be more exact than what was asked for: a port that the system chose.
    const { tell } = line.command;
    const isMoreExact = tell !== undefined && controlled.configuration !== state;
    return { reply: isMoreExact ? tell(this.viewOf(line.farm)) : reply, late };
  }

  private answerTo(error: ConfigError, { command, words, farm }: CommandLine): Reply {
    const { tell, refusal, name, isForStart, scope } = command;
    const isHere = farm === UNNAMED || (scope !== 'process' && this.configuration.farms.has(farm));
    if (refusal && isHere) return refusal(words);
    if (!tell || !isHere) return `${error.message}\n`;
    const isTold = error instanceof Refusal || isForStart === true || this.configuration.settings.debug > 0;
    if (isTold) this.options.say(`control: ${name}: ${error.reason}`);
    return tell(this.viewOf(farm));
  }

  /** What is in force in a farm. */
  private viewOf(farm: string): View {
    return viewInFarm({ state: this.configuration, facts: this.options.facts }, farm);
  }
}
