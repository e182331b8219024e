/**
 * Lines of the request log as bytes, in the formats of the original: many in one buffer, without a string for each.
 *
 * @owner main thread. @source pen(1), option -l; what is no printable ASCII is a dot, in files and in datagrams.
 */
import { ENDPOINT_IP, ENDPOINT_KIND, ipText, ipWord, KIND_IPV4 } from '../base/endpoint.ts';
import { hostText } from '../config/address.ts';
import type { Configuration } from '../config/model.ts';
import type { RecordRing } from '../table/records.ts';
import {
  FILE_TEXT_MAX,
  requestMs,
  requestPeerAt,
  requestServer,
  requestTextAt,
  requestTextLength,
} from '../table/requests.ts';

import type { FarmRows } from './farm-rows.ts';
import { serversByRow, type Lines } from './log.ts';

/** Bytes of a whole datagram. */
const DATAGRAM_MAX = 1024;
/** More than any line takes. */
const LINE_MAX = 1280;
/** Bytes of the buffer. */
const LINES_BYTES = 2 ** 18;
const LINES_MAX = 2 ** 12;
const SPACE = 0x20;
const TILDE = 0x7e;
const DOT = 0x2e;
const LF = 0x0a;
const PLUS = Buffer.from('+ ');
const NOBODY = Buffer.from('none');

/** What is written for each byte of a text. */
const SAFE = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= SPACE && byte <= TILDE ? byte : DOT));
/** The digits of each byte of an IPv4 address, the first one lowest, and how many they are in the highest byte. */
const DIGITS = Uint32Array.from({ length: 256 }, (_, byte) => {
  const digits = Buffer.from(String(byte));
  return digits.reduce((sum, digit, i) => sum | (digit << (8 * i)), digits.length << 24);
});

/** A word of a line: neither blanks in it nor what is no character. */
function safeWord(text: string): Uint8Array {
  return Buffer.from(text).map((byte) => (byte === SPACE ? DOT : (SAFE[byte] ?? DOT)));
}

export class RequestLines implements Lines {
  readonly bytes = Buffer.allocUnsafe(LINES_BYTES);
  length = 0;
  readonly ends = new Uint32Array(LINES_MAX);
  count = 0;
  private isFile = true;
  private servers: readonly Uint8Array[] = [];
  /** Wall clock minus the tables' clock, ms. */
  private offsetMs = 0;
  private second = -1;
  private secondText: Uint8Array = new Uint8Array();
  /** The last address that is not IPv4: making its text is dear. */
  private readonly lastIp = new Uint32Array(4);
  private lastKind = -1;
  private lastText: Uint8Array = NOBODY;

  follow(configuration: Configuration, rows: FarmRows): void {
    this.isFile = configuration.settings.log?.endpoint === undefined;
    const servers = serversByRow(configuration, rows);
    this.servers = servers.map((server) => (server ? safeWord(hostText(server.endpoint)) : NOBODY));
  }

  begin(offsetMs: number): void {
    this.offsetMs = offsetMs;
    this.length = this.count = 0;
  }

  add(ring: RecordRing, at: number): boolean {
    const start = this.length;
    if (start + LINE_MAX > LINES_BYTES || this.count === LINES_MAX) return false;
    const { isFile } = this;
    let to = isFile ? start : this.put(PLUS, start);
    to = this.putIp(ring.u8, requestPeerAt(at), to);
    this.bytes[to++] = SPACE;
    if (isFile) to = this.put(this.secondOf(requestMs(ring, at)), to);
    to = this.put(this.servers[requestServer(ring, at)] ?? NOBODY, to);
    this.bytes[to++] = SPACE;
    const most = isFile ? FILE_TEXT_MAX : DATAGRAM_MAX - 1 - (to - start);
    to = this.putText(ring.u8, requestTextAt(at), Math.min(requestTextLength(ring, at), most), to);
    this.bytes[to++] = LF;
    this.length = to;
    this.ends[this.count++] = to;
    return true;
  }

  /* All put something at `to`, and return where it ends. */

  private put(from: Uint8Array, to: number): number {
    const { bytes } = this;
    const { length } = from;
    // Short ones: a copy by the runtime costs more than it saves.
    for (let i = 0; i < length; i++) bytes[to + i] = from[i] ?? 0;
    return to + length;
  }

  private putText(from: Uint8Array, offset: number, count: number, to: number): number {
    const { bytes } = this;
    for (let i = 0; i < count; i++) bytes[to + i] = SAFE[from[offset + i] ?? 0] ?? DOT;
    return to + count;
  }

  private putIp(from: Uint8Array, offset: number, to: number): number {
    if (from[offset + ENDPOINT_KIND] !== KIND_IPV4) return this.put(this.otherText(from, offset), to);
    const { bytes } = this;
    const ip = offset + ENDPOINT_IP + 12;
    for (let i = 0; i < 4; i++) {
      const digits = DIGITS[from[ip + i] ?? 0] ?? 0;
      // One to three digits, and always room for three.
      bytes[to] = digits;
      bytes[to + 1] = digits >> 8;
      bytes[to + 2] = digits >> 16;
      to += digits >>> 24;
      bytes[to++] = DOT;
    }
    return to - 1;
  }

  private otherText(from: Uint8Array, offset: number): Uint8Array {
    const { lastIp } = this;
    const kind = from[offset + ENDPOINT_KIND] ?? 0;
    let isSame = kind === this.lastKind;
    for (let word = 0; word < lastIp.length; word++) {
      const value = ipWord(from, offset, word) >>> 0;
      isSame &&= lastIp[word] === value;
      lastIp[word] = value;
    }
    this.lastKind = kind;
    if (!isSame) this.lastText = Buffer.from(ipText(from, offset));
    return this.lastText;
  }

  private secondOf(ms: number): Uint8Array {
    const second = Math.floor((ms + this.offsetMs) / 1000);
    if (second !== this.second) {
      this.second = second;
      this.secondText = Buffer.from(`${second} `);
    }
    return this.secondText;
  }
}
