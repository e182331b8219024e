/**
 * The host contract by means of Node alone.
 *
 * It listens through the worker's loop, which must run by then. What it cannot do: see whether a reader of stderr
 * stands still, raise limits (Node has done so as far as it may), write to the system's log.
 *
 * @owner the main thread.
 */
import { BroadcastChannel } from 'node:worker_threads';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE } from '../base/endpoint.ts';
import { ENOSYS, errnoNamed } from '../base/errno.ts';
import { listenRefusal } from '../base/listen-help.ts';
import type {
  DescriptorLimit,
  Host,
  HostError,
  ListenOptions,
  ListenResult,
  LoopKindReport,
  Tuning,
} from '../loop/host.ts';
import { type Answer, channelName, type Listening, type Request } from './channel.ts';

/** A worker that has not answered by then will not. */
const ANSWER_MS = 5000;

export class NodeHost implements Host {
  readonly nativeFile = '';
  private wakes = 0;
  /** To the loop made last: there is one. */
  private channel: BroadcastChannel | undefined;
  private asked = 0;
  private readonly opening = new Map<number, (answer: Listening) => void>();
  private readonly looking = new Map<number, (isWaiting: boolean) => void>();
  private readonly endpoints = new Map<number, Uint8Array>();
  private limit: DescriptorLimit | undefined;

  /** Refuses: a descriptor of the system is nothing that Node would give us. */
  listen(endpoint: Uint8Array): ListenResult {
    return { error: listenRefusal(ENOSYS, endpoint) };
  }

  listenInLoop(endpoint: Uint8Array, options: ListenOptions, done: (result: ListenResult) => void): void {
    const id = ++this.asked;
    const late = setTimeout(() => settle({ id, fd: -1, endpoint, code: 'ETIME' }), ANSWER_MS);
    const settle = (answer: Listening): void => {
      clearTimeout(late);
      this.opening.delete(id);
      if (answer.code === '') this.endpoints.set(answer.fd, answer.endpoint);
      done(answer.code === '' ? { fd: answer.fd as Fd } : { error: refusalFor(answer.code, endpoint) });
    };
    this.opening.set(id, settle);
    this.ask({ ask: 'listen', id, endpoint, options });
  }

  localEndpoint(fd: Fd): Uint8Array {
    return this.endpoints.get(fd) ?? new Uint8Array(ENDPOINT_SIZE);
  }

  holdNewcomers(fd: Fd): void {
    this.ask({ ask: 'hold', fd });
  }

  hasWaiting(fd: Fd, done: (isWaiting: boolean) => void): void {
    const id = ++this.asked;
    const late = setTimeout(() => settle(false), ANSWER_MS);
    const settle = (isWaiting: boolean): void => {
      clearTimeout(late);
      this.looking.delete(id);
      done(isWaiting);
    };
    this.looking.set(id, settle);
    this.ask({ ask: 'waiting', id, fd });
  }

  /** Nothing: the loop hands out no client that nobody asks for, and closing follows. */
  stopListening(): void {}

  tuneListening(fd: Fd, { backlog, noDelay }: Tuning): void {
    this.ask({ ask: 'tune', fd, tuning: { backlog, noDelay } });
  }

  close(fd: Fd): void {
    this.endpoints.delete(fd);
    this.ask({ ask: 'close', fd });
  }

  /** Nothing: the loop has reset its connections when it failed. */
  abort(): void {}

  abortAtExit(): void {}

  /** Nothing: Node removes the path when the listener is closed. */
  unlinkOwn(): void {}

  descriptorLimit(): DescriptorLimit {
    return (this.limit ??= readLimit());
  }

  raiseDescriptorLimit(): number {
    return this.descriptorLimit().soft;
  }

  createWake(): number {
    this.channel?.close();
    const channel = new BroadcastChannel(channelName(++this.wakes));
    channel.onmessage = (event) => {
      const { data } = event as { data: Answer };
      if ('isWaiting' in data) this.looking.get(data.id)?.(data.isWaiting);
      else this.opening.get(data.id)?.(data);
    };
    // The worker keeps the process alive, as long as it shall live.
    channel.unref();
    this.channel = channel;
    return this.wakes;
  }

  wake(fd: number): void {
    if (fd === this.wakes) this.ask({ ask: 'wake' });
  }

  canWrite(): boolean {
    return true;
  }

  /** Node locks no files: nobody is known to hold one. */
  lockFile(): boolean {
    return true;
  }

  exitNow(code: number): never {
    return process.exit(code);
  }

  systemLog(): undefined {
    return undefined;
  }

  loopKinds(): readonly LoopKindReport[] {
    return [{ kind: 'node', reason: '' }];
  }

  private ask(request: Request): void {
    this.channel?.postMessage(request);
  }
}

/** Node's report is the only place where it tells; Windows has no such limit. */
function readLimit(): DescriptorLimit {
  const report: unknown = process.report?.getReport();
  const limits = fieldOf(fieldOf(report, 'userLimits'), 'open_files');
  return { soft: numberOf(fieldOf(limits, 'soft')), hard: numberOf(fieldOf(limits, 'hard')) };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The report says `unlimited` in words. */
function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number.POSITIVE_INFINITY;
}

/** @param code what Node calls it. */
export function refusalFor(code: string, endpoint: Uint8Array): HostError {
  return listenRefusal(errnoNamed(code) ?? 0, endpoint, code);
}
