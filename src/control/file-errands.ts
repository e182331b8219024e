/**
 * What the commands about files do in a running Pen.
 *
 * @owner main thread.
 */
import { defaultPort } from '../config/address.ts';
import type { Reply } from '../config/answer.ts';
import type { Context } from '../config/commands.ts';
import { farmOf } from '../config/farms.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { placed } from '../config/parts.ts';
import { printConfiguration } from '../config/print.ts';
import { pathWithin } from './config-file.ts';
import { peerRights, type Controller, type Errand } from './controller.ts';
import type { Reloader } from './reload.ts';
import { FileError, replaceFile } from './safe-file.ts';
import { applyScript, readingWithin, readScript, type ReaderOptions } from './script-reader.ts';

/** Its owner's alone: it may name what others need not know. */
const MODE = 0o600;
/** Lines of a piece that is written at once. */
const LINES = 1000;

export interface FileErrandOptions {
  readonly reloader: Reloader;
  readonly files: ReaderOptions;
  readonly context: Pick<Context, 'facts' | 'servicePort'>;
  /** The file of -F; undefined: there is none. */
  readonly file: string | undefined;
  /** Comments, without line ends, that a written file begins with. */
  readonly headOf: (configuration: Configuration, localTime: string) => readonly string[];
  readonly say: (text: string) => void;
  /** With whose eyes files are seen, as it stands behind a path. **Default** those of who started us. */
  readonly view?: string;
}

export function fileErrands(options: FileErrandOptions): ReadonlyMap<string, Errand> {
  const { reloader, say } = options;
  return new Map<string, Errand>([
    ['include', async ([name = ''], controller, farm) => include(name, farm, controller, options)],
    [
      'reload',
      async (_words, controller) => {
        for (const line of await reloader.reload(controller)) say(line);
        return '';
      },
    ],
    [
      'plan',
      async ([name], controller) =>
        reloader.plan(name === undefined ? undefined : pathWithin(folderOf(controller), name, 'plan'), controller),
    ],
    ['write', async ([name], controller) => controller.inTurn(async () => write(name, controller, options))],
  ]);
}

function folderOf({ configuration }: Controller): string {
  return configuration.settings.controlDir;
}

async function include(
  name: string,
  farm: string,
  controller: Controller,
  { files, context, say }: FileErrandOptions,
): Promise<Reply> {
  const script = await readScript(name, 'include', readingWithin(folderOf(controller), files), farm);
  await controller.inTurn(async () => {
    const { state, actions, said } = await applyScript(controller.configuration, script, {
      ...context,
      ...peerRights(controller.configuration),
      isUnheard: true,
      listenPort: (of) => defaultPort(script.listen.get(of) ?? textsOf(farmOf(controller.configuration, of))),
    });
    await controller.change(state, actions).catch((error: unknown) => {
      throw placed(error, said);
    });
  });
  for (const notice of script.notices) say(notice);
  return '';
}

/** Nowhere to write to is nothing to write, as it always was. */
async function write(
  name: string | undefined,
  controller: Controller,
  { file, headOf, context, view = '' }: FileErrandOptions,
): Promise<string> {
  const path = name === undefined ? file : pathWithin(folderOf(controller), name, 'write');
  if (path === undefined) return '';
  const { configuration } = controller;
  const head = headOf(configuration, context.facts.process()?.localTime ?? '');
  try {
    await replaceFile(path, pieces([...head, ...printConfiguration(configuration)]), {
      mode: MODE,
      isDurable: true,
    });
    return '';
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new ConfigError('write', `cannot write '${path}'${view}: ${error.message}`);
  }
}

function* pieces(lines: readonly string[]): Generator<string> {
  for (let at = 0; at < lines.length; at += LINES) yield `${lines.slice(at, at + LINES).join('\n')}\n`;
}

/** Where clients come to, as it was written. */
function textsOf({ listen }: Pick<Configuration, 'listen'>): readonly string[] {
  return listen.map(({ text }) => text);
}
