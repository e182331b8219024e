/**
 * Lines of the request log as bytes, in the formats of the original: many in one buffer, without a string for each.
 *
 * @owner main thread. @source pen(1), option -l; what is no printable ASCII is a dot, in files and in datagrams.
 */
import { ENDPOINT_IP, ENDPOINT_KIND, ipText, ipWord, KIND_IPV4 } from '../base/endpoint.ts';
import type { RecordRing } from '../table/records.ts';
import {
  FILE_TEXT_MAX,
  requestMs,
  requestPeerAt,
  requestServer,
  requestTextAt,
  requestTextLength,
} from '../table/requests.ts';

/** Bytes of a whole datagram. */
const DATAGRAM_MAX = 1024;
/** More than any line takes. */
const LINE_MAX = 1280;
const BUFFER_BYTES = 2 ** 18;
const SPACE = 0x20;
const TILDE = 0x7e;
const DOT = 0x2e;
const LF = 0x0a;
const PLUS = Buffer.from('+ ');
const NOBODY = Buffer.from('none');

/** What is written for each byte of a text. */
const SAFE = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= SPACE && byte <= TILDE ? byte : DOT));
/** The digits of each byte of an IPv4 address, three places each, and how many they are. */
const DIGITS = Uint8Array.from({ length: 256 * 3 }, (_, i) => String(Math.trunc(i / 3)).charCodeAt(i % 3) || 0);
const digitsOf = (byte: number): number => (byte < 10 ? 1 : byte < 100 ? 2 : 3);

/** Which lines are wanted. */
export type LogFormat = 'file' | 'datagrams';

/** A word of a line: neither blanks in it nor what is no character. */
export function safeWord(text: string): Uint8Array {
  return Buffer.from(text).map((byte) => (byte === SPACE ? DOT : (SAFE[byte] ?? DOT)));
}

export class LogLines {
  readonly bytes = Buffer.allocUnsafe(BUFFER_BYTES);
  /** Of which so many are lines. */
  length = 0;
  /** Where the lines end. */
  readonly ends: number[] = [];
  private format: LogFormat = 'file';
  private servers: readonly Uint8Array[] = [];
  /** Wall clock minus the tables' clock, ms. */
  private offsetMs = 0;
  private second = -1;
  private secondText: Uint8Array = new Uint8Array();
  /** The last address that is not IPv4: making its text is dear. */
  private readonly lastIp = new Uint32Array(4);
  private lastKind = -1;
  private lastText: Uint8Array = NOBODY;

  /** Forgets all lines. @param servers their addresses, by row. @param offsetMs wall clock minus the tables' clock. */
  begin(servers: readonly Uint8Array[], format: LogFormat, offsetMs: number): void {
    this.format = format;
    this.servers = servers;
    this.offsetMs = offsetMs;
    this.length = 0;
    this.ends.length = 0;
  }

  /** Adds the line of a record. @returns false, and adds nothing, when there is no room. */
  add(ring: RecordRing, at: number): boolean {
    const start = this.length;
    if (start + LINE_MAX > BUFFER_BYTES) return false;
    const isFile = this.format === 'file';
    if (!isFile) this.put(PLUS);
    this.putIp(ring.u8, requestPeerAt(at));
    this.bytes[this.length++] = SPACE;
    if (isFile) this.putSecond(Math.floor((requestMs(ring, at) + this.offsetMs) / 1000));
    this.put(this.servers[requestServer(ring, at)] ?? NOBODY);
    this.bytes[this.length++] = SPACE;
    const most = isFile ? FILE_TEXT_MAX : DATAGRAM_MAX - 1 - (this.length - start);
    this.putText(ring.u8, requestTextAt(at), Math.min(requestTextLength(ring, at), most));
    this.bytes[this.length++] = LF;
    this.ends.push(this.length);
    return true;
  }

  private put(from: Uint8Array): void {
    const { bytes } = this;
    let to = this.length;
    // Short ones: a copy by the runtime costs more than it saves.
    for (let i = 0; i < from.length; i++) bytes[to++] = from[i] ?? 0;
    this.length = to;
  }

  private putText(from: Uint8Array, offset: number, count: number): void {
    const { bytes, length } = this;
    for (let i = 0; i < count; i++) bytes[length + i] = SAFE[from[offset + i] ?? 0] ?? DOT;
    this.length = length + count;
  }

  private putIp(from: Uint8Array, offset: number): void {
    if (from[offset + ENDPOINT_KIND] !== KIND_IPV4) {
      this.put(this.otherText(from, offset));
      return;
    }
    for (let i = 12; i < 16; i++) {
      const byte = from[offset + ENDPOINT_IP + i] ?? 0;
      for (let digit = 0; digit < digitsOf(byte); digit++) this.bytes[this.length++] = DIGITS[byte * 3 + digit] ?? 0;
      if (i < 15) this.bytes[this.length++] = DOT;
    }
  }

  private otherText(from: Uint8Array, offset: number): Uint8Array {
    const { lastIp } = this;
    const kind = from[offset + ENDPOINT_KIND] ?? 0;
    let isSame = kind === this.lastKind;
    for (let word = 0; word < 4; word++) {
      const value = ipWord(from, offset, word) >>> 0;
      isSame &&= lastIp[word] === value;
      lastIp[word] = value;
    }
    this.lastKind = kind;
    if (!isSame) this.lastText = Buffer.from(ipText(from, offset));
    return this.lastText;
  }

  private putSecond(second: number): void {
    if (second !== this.second) {
      this.second = second;
      this.secondText = Buffer.from(`${second} `);
    }
    this.put(this.secondText);
  }
}
