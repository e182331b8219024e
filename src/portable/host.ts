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
import { ENDPOINT_KIND, ENDPOINT_SIZE, endpointText, KIND_UNIX } from '../base/endpoint.ts';
import type { DescriptorLimit, Host, ListenOptions, ListenResult, LoopKindReport } from '../loop/host.ts';
import { type Answer, channelName, type Request } from './channel.ts';

/** A worker that has not answered by then will not. */
const ANSWER_MS = 5000;

/** Continues "cannot listen on X: ", and what would help. */
const REFUSALS: Readonly<Record<string, readonly [string, string]>> = {
  EADDRINUSE: ['another socket has this address', 'stop that process, or choose another address'],
  EACCES: ['not permitted', 'low ports and most folders need more rights than we have'],
  EPERM: ['not permitted', 'low ports and most folders need more rights than we have'],
  EADDRNOTAVAIL: ['no interface of this machine has this address', ''],
  EAFNOSUPPORT: ['this machine has no such kind of address', ''],
  EEXIST: ['the path exists and is no socket', 'it was left alone: remove it, or choose another path'],
  ENOENT: ['the folder does not exist', 'create it, or choose another path'],
  EMFILE: ['there are no descriptors left', 'raise the limit (ulimit -n)'],
  ENOSYS: ['only a loop can listen here', ''],
  ETIME: ['the worker does not answer', ''],
};

export class NodeHost implements Host {
  private wakes = 0;
  /** To the loop made last: there is one. */
  private channel: BroadcastChannel | undefined;
  private asked = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private readonly endpoints = new Map<number, Uint8Array>();
  private limit: DescriptorLimit | undefined;

  /** Refuses: a descriptor of the system is nothing that Node would give us. */
  listen(endpoint: Uint8Array): ListenResult {
    return refusal('ENOSYS', endpoint);
  }

  listenInLoop(endpoint: Uint8Array, options: ListenOptions, done: (result: ListenResult) => void): void {
    const id = ++this.asked;
    const late = setTimeout(() => settle({ id, fd: -1, endpoint, code: 'ETIME' }), ANSWER_MS);
    const settle = (answer: Answer): void => {
      clearTimeout(late);
      this.waiting.delete(id);
      if (answer.code === '') this.endpoints.set(answer.fd, answer.endpoint);
      done(answer.code === '' ? { fd: answer.fd as Fd } : refusal(answer.code, endpoint));
    };
    this.waiting.set(id, settle);
    this.ask({ ask: 'listen', id, endpoint, options });
  }

  localEndpoint(fd: Fd): Uint8Array {
    return this.endpoints.get(fd) ?? new Uint8Array(ENDPOINT_SIZE);
  }

  close(fd: Fd): void {
    this.endpoints.delete(fd);
    this.ask({ ask: 'close', fd });
  }

  /** Nothing: the loop has reset its connections when it failed. */
  abort(): void {}

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
      this.waiting.get(data.id)?.(data);
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

function refusal(code: string, endpoint: Uint8Array): ListenResult {
  const text = endpointText(endpoint, 0);
  const [why, help] = REFUSALS[code] ?? [code, ''];
  const where =
    endpoint[ENDPOINT_KIND] === KIND_UNIX && code === 'EADDRINUSE' ? 'somebody answers on this socket' : why;
  return { error: { code, endpoint: text, message: `cannot listen on ${text}: ${where}`, help } };
}
