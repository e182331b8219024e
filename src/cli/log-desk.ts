/** `penlogd` at work: datagrams come in, lines go out, until a signal ends it. */
import type { RemoteInfo, Socket } from 'node:dgram';
import { plainAddress } from '../logs/address-text.ts';
import { Joiner, type JoinerOptions } from '../logs/joiner.ts';
import { KernelDrops } from '../logs/kernel-drops.ts';
import type { LogFile } from '../logs/log-file.ts';
import type { Senders } from '../logs/senders.ts';

/** What is told about is told again after so long. */
const TELL_MS = 10_000;

export interface LogDeskOptions extends JoinerOptions {
  readonly senders: Senders;
  /** Each line is written for itself. */
  readonly isUnbuffered: boolean;
  /** Tell every now and then what has come. */
  readonly isTelling: boolean;
}

/** @owner main thread. */
export class LogDesk {
  private readonly socket: Socket;
  private readonly file: LogFile;
  private readonly options: LogDeskOptions;
  private readonly say: (text: string) => void;
  private readonly joiner: Joiner;
  private readonly drops: KernelDrops;
  private readonly teller: NodeJS.Timeout | undefined;
  private strangers = 0;
  private isFlushing = false;
  private timer: NodeJS.Timeout | undefined;
  private told = '';
  /** Lines cannot be written, and that was told. */
  private isFailing = false;

  /** @param socket is bound. */
  constructor(socket: Socket, file: LogFile, options: LogDeskOptions, say: (text: string) => void) {
    this.socket = socket;
    this.file = file;
    this.options = options;
    this.say = say;
    this.joiner = new Joiner(options, (line) => {
      file.add(line);
      if (options.isUnbuffered) file.flush();
    });
    this.drops = new KernelDrops(socket.address().port);
    socket.on('message', this.onDatagram);
    if (options.isTelling) this.teller = setInterval(this.tellNews, TELL_MS).unref();
  }

  /** Opens the file again. */
  rotate(): void {
    try {
      this.file.reopen();
    } catch (error) {
      this.say(`the log stays where it is: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** All that has come, by what became of it. */
  readonly tell = (): void => this.say(this.report());

  /** Takes no more datagrams, and writes what waits. */
  stop(): void {
    const dropped = this.drops.count();
    this.socket.close();
    clearTimeout(this.timer);
    clearInterval(this.teller);
    this.joiner.flush(Infinity);
    this.file.close();
    const isTrouble = this.strangers + this.joiner.counts.malformed + this.file.lostCount + dropped > 0;
    if (isTrouble || this.options.isTelling) this.say(this.report(dropped));
  }

  private report(dropped = this.drops.count()): string {
    const { requests, found, missed, malformed } = this.joiner.counts;
    const refused = `datagrams: ${malformed} malformed, ${this.strangers} from strangers, ${dropped} lost because too many came`;
    const lines = `${found} lines with a client, ${missed} without, ${this.file.lostCount} not written`;
    return `${requests} requests of pen, ${lines}; ${refused}`;
  }

  private readonly tellNews = (): void => {
    const report = this.report();
    if (report !== this.told) this.say(report);
    this.told = report;
  };

  private readonly onDatagram = (bytes: Buffer, { address }: RemoteInfo): void => {
    const from = plainAddress(address) ?? address;
    if (!this.options.senders.isKnown(from)) {
      this.strangers++;
      return;
    }
    this.joiner.take(bytes.toString('latin1'), from, performance.now() / 1000);
    // Datagrams come some at a time, and are written in one piece.
    if (!this.isFlushing) setImmediate(this.flush);
    this.isFlushing = true;
  };

  private readonly flush = (): void => {
    this.isFlushing = false;
    this.file.flush();
    this.tellFailure();
    const { deadline } = this.joiner;
    if (deadline === undefined || this.timer) return;
    this.timer = setTimeout(this.onDeadline, Math.max(0, Math.ceil(deadline * 1000 - performance.now())));
  };

  private readonly onDeadline = (): void => {
    this.timer = undefined;
    this.joiner.flush(performance.now() / 1000);
    this.flush();
  };

  private tellFailure(): void {
    const { failure, lostCount } = this.file;
    if ((failure !== undefined) === this.isFailing) return;
    this.isFailing = failure !== undefined;
    this.say(
      failure === undefined
        ? `lines can be written again; so far ${lostCount} are lost`
        : `lines cannot be written, and are lost: ${failure}`,
    );
  }
}
