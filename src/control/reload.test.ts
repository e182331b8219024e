import { describe, expect, test } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { idleFacts, type Action } from '../config/command.ts';
import {
  ConfigError,
  ConfigErrors,
  EMPTY_CONFIGURATION,
  serverAt,
  type Configuration,
  type Settings,
} from '../config/model.ts';
import { Parts, settingPart } from '../config/parts.ts';
import { Controller } from './controller.ts';
import { Reloader, type Loaded } from './reload.ts';

const SERVERS = [serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 7), port: 80 })];

function withSettings(settings: Partial<Settings>): Configuration {
  return { ...EMPTY_CONFIGURATION, servers: SERVERS, settings: { ...EMPTY_CONFIGURATION.settings, ...settings } };
}

/** What a file comes to that says some settings. */
function fileOf(settings: Partial<Settings>): Loaded {
  const said = new Parts();
  for (const key of Object.keys(settings)) said.add(settingPart(key as keyof Settings));
  return { configuration: withSettings(settings), said, fileActions: [], notices: [] };
}

/** A balancer that has what it is told to have, and a file that is as it was when somebody began to read it. */
function stage() {
  let configuration = withSettings({});
  const acts: Action[] = [];
  let refusal: Error | undefined;
  const put = async (next: Configuration): Promise<void> => {
    configuration = next;
    return Promise.resolve();
  };
  const controller = new Controller({
    controlled: {
      get configuration() {
        return configuration;
      },
      apply: put,
      prepare: async (next) =>
        refusal ? Promise.reject(refusal) : Promise.resolve({ notices: ['it can be'], commit: async () => put(next) }),
      act: async (action) => Promise.resolve(void acts.push(action)),
    },
    facts: idleFacts(1),
    lookUp: async () => Promise.reject(new Error('there are no names')),
    servicePort: () => undefined,
    say: () => undefined,
  });
  let file = (): Loaded => fileOf({});
  let hold: Promise<void> | undefined;
  const reloader = new Reloader({
    file: 'pen.cfg',
    load: async () => {
      const [found, until] = [file(), hold];
      hold = undefined;
      await until;
      return found;
    },
    said: new Parts(),
    facts: idleFacts(1),
  });
  return {
    controller,
    reloader,
    write: (settings: Partial<Settings>) => (file = () => fileOf(settings)),
    fail: (error: Error) =>
      (file = () => {
        throw error;
      }),
    /** The next reading takes until this is called. */
    holdReading: () => {
      let release = (): void => undefined;
      hold = new Promise((resolve) => (release = resolve));
      return release;
    },
    writeActions: (...fileActions: readonly Action[]) => (file = () => ({ ...fileOf({}), fileActions })),
    refuse: (error: Error) => (refusal = error),
    acts,
    blacklist: () => configuration.settings.blacklist,
  };
}

/** Lets all go on that can. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('a mistake is an event of its own, and a surprise is one with all of its text', async () => {
  const { controller, reloader, fail } = stage();
  const told = async (error: Error): Promise<readonly string[]> => {
    const said: string[] = [];
    fail(error);
    await reloader.onHangUp(controller, (text) => said.push(text));
    return said;
  };
  const mistakes = [new ConfigError('pen.cfg:1', 'is spoilt'), new ConfigError('pen.cfg:2', 'too')] as const;
  const end = 'nothing is read again: all stays as it is';
  expect(await told(new ConfigErrors(mistakes))).toEqual(['pen.cfg:1: is spoilt', 'pen.cfg:2: too', end]);
  const surprise = Object.assign(new Error('never'), { stack: 'Error: never\n    at night\n    at all' });
  expect(await told(surprise)).toEqual(['Error: never\n    at night\n    at all', end]);
});

describe('of two that read the file at once', () => {
  test.each(['reload', 'SIGHUP'])('the one that came later has the last word, when it comes by %s', async (way) => {
    const { controller, reloader, write, holdReading, blacklist } = stage();
    write({ blacklist: 11 });
    const release = holdReading();
    const slow = reloader.reload(controller);
    await settle();
    write({ blacklist: 12 });
    const late = way === 'reload' ? reloader.reload(controller) : reloader.onHangUp(controller, () => undefined);
    await settle();
    release();
    await Promise.all([slow, late]);
    expect(blacklist()).toBe(12);
  });

  test('the second is obeyed when the first finds a mistake', async () => {
    const { controller, reloader, write, fail, blacklist } = stage();
    fail(new ConfigError('pen.cfg:1', 'is spoilt'));
    const spoilt = reloader.reload(controller);
    const mistake = expect(spoilt).rejects.toThrow('pen.cfg:1: is spoilt');
    await settle();
    write({ blacklist: 12 });
    await reloader.reload(controller);
    await mistake;
    expect(blacklist()).toBe(12);
  });
});

test('what nobody can have meant is told after a reload, too', async () => {
  const { controller, reloader, write } = stage();
  write({ weight: true });
  const said: string[] = [];
  await reloader.onHangUp(controller, (text) => said.push(text));
  const advice = 'weight: no server has one, so none is chosen; give them weights, as in www1:80:0:0:3';
  expect(said).toEqual([advice, 'it can be', 'pen.cfg read again: 1 lines change']);
  expect(await reloader.plan(undefined, controller)).toContain(`${advice}\n`);
});

describe('a plan', () => {
  test('is refused for what a reload is refused for', async () => {
    const { controller, reloader, write, refuse, blacklist } = stage();
    write({ blacklist: 12 });
    refuse(new ConfigError('conn_max', 'no room'));
    await expect(reloader.plan(undefined, controller)).rejects.toThrow('conn_max: no room');
    await expect(reloader.reload(controller)).rejects.toThrow('conn_max: no room');
    expect(blacklist()).toBe(30);
  });

  test('tells what is done beyond settings, and does not do it', async () => {
    const { controller, reloader, writeActions, acts } = stage();
    const actions: readonly Action[] = [
      { kind: 'blacklist', server: 0, seconds: 60 },
      { kind: 'close', connection: 5 },
      { kind: 'statistics' },
      { kind: 'exit' },
    ];
    writeActions(...actions);
    expect(await reloader.plan(undefined, controller)).toBe(
      'it can be\ndoes server 0 blacklist 60\ndoes close 5\ndoes status\ndoes exit\n0 connections touched, none ended\n',
    );
    expect(acts).toEqual([]);
    await reloader.reload(controller);
    expect(acts).toEqual(actions);
  });
});
