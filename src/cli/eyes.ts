/**
 * With whose eyes files are seen that are read while Pen runs. After `-u` and `-j` the same path is another file, or
 * none; whoever reads that it cannot be read shall know why.
 *
 * @owner main thread.
 */
import { accessSync, constants } from 'node:fs';
import type { Countries } from '../base/countries.ts';
import { ConfigError } from '../config/model.ts';
import { openConfigFile, type OpenedFile } from '../control/config-file.ts';
import { readCountryFile } from '../geo/country-file.ts';

export class Eyes {
  private readonly say: (text: string) => void;
  /** As it stands behind a path; empty: those of who started us. */
  private view = '';

  constructor(say: (text: string) => void) {
    this.say = say;
  }

  /** From now on files are seen with others' eyes. */
  change(view: string): void {
    this.view = view;
  }

  /** @errors ConfigError. */
  readonly openConfigFile = (name: string, from: string | undefined, where: string): OpenedFile => {
    try {
      return openConfigFile(name, from, where);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(error.where, `${error.reason}${this.view}`);
    }
  };

  /**
   * A file that was read at the start and is out of reach now stays in force: no configuration is refused for it.
   * @errors Error.
   */
  readonly readCountryFile = (path: string, before?: Countries): Countries => {
    try {
      return readCountryFile(path, before);
    } catch (error) {
      if (this.view === '' || !(error instanceof Error)) throw error;
      if (!before || (path !== '' && path !== before.path) || isReadable(before.path)) {
        throw new Error(`${error.message}${this.view}`, { cause: error });
      }
      this.say(`${before.path} is out of reach${this.view}, so countries stay as they were read at the start`);
      return before;
    }
  };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
