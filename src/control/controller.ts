/**
 * Runs commands against the running balancer, one at a time: from the state there is to the next, which is put in
 * force as a difference, and back to an answer.
 *
 * @owner main thread.
 */
import type { Action, Command, Facts, Reply } from '../config/command.ts';
import { applyLine, hostsOf, readLine, type Line } from '../config/commands.ts';
import { NOT_YET } from '../config/commands/later.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { Lookups, type LookUp } from './lookups.ts';

/** What a controller controls. */
export interface Controlled {
  /** What is in force. */
  readonly configuration: Configuration;
  /** @errors ConfigError when it cannot be; then the old configuration is in force. */
  apply(configuration: Configuration): Promise<void>;
  /** Obeys what is not configuration; `exit` included. */
  act(action: Action): Promise<void>;
}

export interface ControllerOptions {
  readonly controlled: Controlled;
  readonly facts: Facts;
  readonly lookUp: LookUp;
  readonly servicePort: (name: string) => number | undefined;
  /** Tells what an answer has no place for. */
  readonly say: (text: string) => void;
}

type CommandLine = Extract<Line, { kind: 'command' }>;

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
   * @returns what is to be answered. A mistake changes nothing: a command that tells a value answers with the one in
   * force, one that only obeys with a line that says what was wrong.
   */
  async execute(text: string): Promise<Reply> {
    const line = readLine(text);
    if (line.kind === 'empty') return '';
    if (line.kind === 'unknown') return line.isNo ? '' : `do_cmd: ignoring command starting with '${line.word}'\n`;
    return line.kind === 'later' ? `${line.word}: ${NOT_YET}\n` : this.runCommand(line);
  }

  private async runCommand(line: CommandLine): Promise<Reply> {
    try {
      const hosts = await this.lookups.find(hostsOf(line, ''), line.command.name);
      const turn = this.queue.then(async () => this.apply(line, hosts));
      this.queue = turn.catch(() => undefined);
      return await turn;
    } catch (error) {
      return this.answerTo(error, line.command);
    }
  }

  private async apply(line: CommandLine, hosts: Awaited<ReturnType<Lookups['find']>>): Promise<Reply> {
    const { controlled, facts, servicePort } = this.options;
    const { state, reply, actions } = applyLine(controlled.configuration, line, '', { facts, hosts, servicePort });
    await controlled.apply(state);
    for (const action of actions) await controlled.act(action);
    // What came of it may be more exact than what was asked for: a port that the system chose.
    const { tell } = line.command;
    return tell && controlled.configuration !== state ? tell({ state: controlled.configuration, facts }) : reply;
  }

  private answerTo(error: unknown, { tell, name }: Command): string {
    if (!(error instanceof ConfigError)) throw error;
    const { facts, say } = this.options;
    if (!tell) return `${error.message}\n`;
    if (this.configuration.settings.debug > 0) say(`control: ${name}: ${error.reason}`);
    return tell({ state: this.configuration, facts });
  }
}
