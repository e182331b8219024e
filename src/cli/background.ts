/**
 * Running in the background: the program starts itself again, detached, and the first process stays until the second
 * one serves. So `pen` returns 0 only when clients are served, and else tells why not and returns 1.
 *
 * A fork would do for a program without threads; Node has threads before our first line runs.
 *
 * @owner main thread.
 */
import { spawn } from 'node:child_process';
import { ConfigError } from '../config/model.ts';
import { print } from './messages.ts';
import { explained } from './shortage.ts';

/** Set in the environment of the second process. */
const MARK = 'PEN_BACKGROUND';

/** What the second process tells the first one while it starts. */
type Message = { readonly out: string } | { readonly err: string } | { readonly isReady: true };

/** True in the second process. */
export function isInBackground(): boolean {
  return process.env[MARK] !== undefined && process.send !== undefined;
}

/** How the second process differs from one that is a balancer. */
export interface BackgroundOptions {
  /** For what is said about it. **Default** pen. */
  readonly name?: string;
  /** It writes to the standard output of the first one. **Default** no. */
  readonly keepsStdout?: boolean;
}

/**
 * Starts the program again with the same arguments, in a session of its own, and waits until it is ready.
 *
 * @returns the exit status for this process: 0 when the other one serves.
 * @errors ConfigError when it cannot be started at all.
 */
export async function startInBackground(
  script: string,
  args: readonly string[],
  { name = 'pen', keepsStdout = false }: BackgroundOptions = {},
): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
    detached: true,
    stdio: ['ignore', keepsStdout ? 'inherit' : 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  });
  // Whoever ends this process while it waits means the program, not only its messenger.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('message', (message: Message) => {
      if ('out' in message) void print(message.out);
      else if ('err' in message) void print(message.err, process.stderr);
      else {
        child.disconnect();
        child.unref();
        resolve(0);
      }
    });
    child.on('error', (error) => {
      const why = explained(error);
      reject(why === error ? new ConfigError('background', `cannot start there (${error.message})`) : why);
    });
    // Its last words may arrive after its end: the channel closes when all of them are read.
    const ended = new Promise<number>((done) => {
      child.on('exit', (_code, signal) => {
        if (signal) process.stderr.write(`${name}: ${signal} ended the process in the background before it served\n`);
        done(1);
      });
    });
    child.on('disconnect', () => void ended.then(resolve));
  });
}

/** The second process: what it has to say until it is ready goes through the first one. */
export interface Messenger {
  out(text: string): void;
  err(text: string): void;
  /** Lets the first process go. Nobody is listening afterwards. */
  ready(): void;
}

/** @owner the second process, once. */
export function openMessenger(): Messenger {
  // Whatever this process starts later is no background copy of it.
  delete process.env[MARK];
  const tell = (message: Message): void => {
    if (process.connected) process.send?.(message);
  };
  return {
    out: (text) => tell({ out: text }),
    err: (text) => tell({ err: text }),
    ready: () => {
      tell({ isReady: true });
      // The first process disconnects; if it is gone already, so is the channel.
      process.channel?.unref();
    },
  };
}
