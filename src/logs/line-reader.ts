/** Files, one line at a time, in little memory. Text is bytes (latin1), without the line's end. */
import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK_BYTES = 256 * 1024;
/** No log has such lines, and a file without line ends must not fill the memory. */
const LINE_MAX = 64 * 1024 * 1024;

/** @owner whoever opened it; reads when a line is asked for, and waits for it. */
export class LineReader {
  /** Bytes read so far. */
  bytes = 0;
  /** Number of the line that was read last. */
  line = 0;
  readonly path: string;
  readonly fd: number;
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  /** What was read last, and where its next line begins. */
  private text = '';
  private at = 0;
  /** What stood in front of it and belongs to that line. */
  private begun = '';
  private isAtEnd = false;

  /** @errors of the system, when the file cannot be opened. */
  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, 'r');
  }

  /** @returns the next line, also one that the file ends in the middle of; undefined at the end. @errors of the system. */
  readonly next = (): string | undefined => {
    for (;;) {
      const end = this.text.indexOf('\n', this.at);
      if (end >= 0) return this.endLine(this.text.slice(this.at, end), end + 1);
      this.begun += this.text.slice(this.at);
      this.at = 0;
      this.text = '';
      if (this.isAtEnd) return this.begun === '' ? undefined : this.endLine('', 0);
      this.fill();
    }
  };

  private endLine(rest: string, next: number): string {
    const line = this.begun === '' ? rest : this.begun + rest;
    this.begun = '';
    this.at = next;
    this.line++;
    return line;
  }

  private fill(): void {
    if (this.begun.length > LINE_MAX) throw new Error(`line ${this.line + 1} of ${this.path} is longer than 64 MiB`);
    const count = readSync(this.fd, this.chunk, 0, CHUNK_BYTES, null);
    this.bytes += count;
    this.text = this.chunk.toString('latin1', 0, count);
    if (count > 0) return;
    this.isAtEnd = true;
    closeSync(this.fd);
  }
}
