/**
 * The file of -F while Pen runs: read again on SIGHUP or by the command `reload`, planned by `plan`, put in force as a
 * difference. Whatever is wrong with it changes nothing.
 *
 * @owner main thread.
 */
import { adviceOn } from '../config/advice.ts';
import type { Action, Facts } from '../config/command.ts';
import { ConfigError } from '../config/model.ts';
import { placed, type Parts } from '../config/parts.ts';
import { differenceOf, planText, type Planned } from '../config/plan.ts';
import { merge, type Wanted } from '../config/merge.ts';
import type { Controller, Prepared } from './controller.ts';

/** Command line and file, read anew. */
export interface Loaded extends Wanted {
  /** What the file wants done once it is in force. */
  readonly fileActions: readonly Action[];
  readonly notices: readonly string[];
}

export interface ReloaderOptions {
  /** The file of -F; undefined: there is none. */
  readonly file: string | undefined;
  /**
   * Reads the command line together with a file.
   * @param folder where the file and what it includes must be. **Default** anywhere. @errors ConfigError.
   */
  readonly load: (file: string, folder?: string) => Promise<Loaded>;
  /** What the file said at the start. */
  readonly said: Parts;
  readonly facts: Facts;
}

export class Reloader {
  private readonly options: ReloaderOptions;
  private said: Parts;
  /** Somebody asked while it was being read: what they changed may have been missed. */
  private isAgain = false;
  private isRunning = false;
  /** Settles when the reload before is done. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(options: ReloaderOptions) {
    this.options = options;
    this.said = options.said;
  }

  /**
   * Reads the file once the reloads before are done, so that who asks last, after the last change, has the last word.
   *
   * @returns what there is to say: what changed, and what cannot. @errors ConfigError; then all is as it was.
   */
  async reload(controller: Controller): Promise<string[]> {
    const file = this.fileOr(undefined, 'reload');
    const turn = this.queue.then(async () => this.readAgain(controller, file));
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async readAgain(controller: Controller, file: string): Promise<string[]> {
    const loaded = await this.options.load(file);
    return controller.inTurn(async () => {
      const { before, after, actions, notices, commit } = await this.prepare(controller, loaded, file);
      await commit().catch(placing(loaded.said));
      await controller.act(actions);
      this.said = loaded.said;
      return [...notices, summary(file, before, after)];
    });
  }

  /** @returns what a reload would change. @errors ConfigError for what it would refuse. */
  async plan(named: string | undefined, controller: Controller): Promise<string> {
    const file = this.fileOr(named, 'plan');
    const folder = named === undefined ? '' : controller.configuration.settings.controlDir;
    const loaded = await this.options.load(file, folder);
    return controller.inTurn(async () => planText(await this.prepare(controller, loaded, file), this.options.facts));
  }

  /** What a reload would do, and whether it can. A plan says it, a reload does it. In turn only. @errors ConfigError. */
  private async prepare(
    controller: Controller,
    loaded: Loaded,
    file: string,
  ): Promise<Planned & Pick<Prepared, 'commit'>> {
    const before = controller.configuration;
    const limits = this.options.facts.limits();
    const { configuration: after, notices } = merge(before, loaded, this.said, file, limits);
    const { commit, notices: others } = await controller.prepare(after).catch(placing(loaded.said));
    return {
      before,
      after,
      actions: loaded.fileActions,
      notices: [...loaded.notices, ...notices, ...adviceOn(after), ...others],
      commit,
    };
  }

  /** Reloads, and once more for all who ask meanwhile. @param say told what came of it. @errors none. */
  async onHangUp(controller: Controller, say: (text: string) => void): Promise<void> {
    this.isAgain = true;
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.isAgain) {
      this.isAgain = false;
      try {
        for (const line of await this.onceMore(controller)) say(line);
      } catch (error) {
        const events = error instanceof ConfigError ? error.message.split('\n') : [faultOf(error)];
        for (const event of events) say(event);
        say('nothing is read again: all stays as it is');
      }
    }
    this.isRunning = false;
  }

  private async onceMore(controller: Controller): Promise<string[]> {
    if (this.options.file !== undefined) return this.reload(controller);
    const notices = await controller.inTurn(async () => {
      const prepared = await controller.prepare(controller.configuration);
      await prepared.commit();
      return prepared.notices;
    });
    const { log, connectionLog } = controller.configuration.settings;
    // Whoever rotates a log has no file in mind.
    if (log || connectionLog) return [...notices];
    return [...notices, 'SIGHUP: there is no file of commands (-F) to read again'];
  }

  private fileOr(named: string | undefined, where: string): string {
    const file = named ?? this.options.file;
    if (file === undefined) throw new ConfigError(where, 'Pen was started without a file (-F)');
    return file;
  }
}

/** Adds the line of the file that is to blame, where that is known. */
function placing(said: Parts): (error: unknown) => never {
  return (error) => {
    throw placed(error, said);
  };
}

function faultOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function summary(file: string, before: Wanted['configuration'], after: Wanted['configuration']): string {
  const { removed, added } = differenceOf(before, after);
  const changes = Math.max(removed.length, added.length);
  return changes === 0 ? `${file} read again: nothing changes` : `${file} read again: ${changes} lines change`;
}
