/**
 * Times of web logs, `09/Jan/2002:00:28:50 +0100`, as seconds since 1970 and in UTC.
 *
 * No clock is read here; without a zone the text is local time of this machine, as the original takes it.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = /^(\d{1,2})\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ?([+-])(\d\d)(\d\d))?$/;

/** A time of a web log. */
export interface LogTime {
  /** Seconds since 1970, in UTC. */
  readonly epoch: number;
  /** The same time as a web server in UTC would write it. */
  readonly utc: string;
}

/** Reads the times of one log, in which many lines have the same. */
export class TimeReader {
  private text = '';
  private time: LogTime | undefined;

  /** @returns undefined for what is no time. */
  read(text: string): LogTime | undefined {
    if (text !== this.text) {
      this.text = text;
      this.time = readTime(text);
    }
    return this.time;
  }
}

/** What the local time is ahead of UTC at that moment, in seconds. */
export function localOffset(epoch: number): number {
  return -60 * new Date(epoch * 1000).getTimezoneOffset();
}

function readTime(text: string): LogTime | undefined {
  const parts = TIME.exec(text);
  if (!parts) return undefined;
  const month = MONTHS.indexOf(parts[2] ?? '');
  const [day = 0, year = 0, hour = 0, minute = 0, second = 0] = [1, 3, 4, 5, 6].map((at) => Number(parts[at]));
  if (month < 0 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
  const epoch =
    parts[7] === undefined
      ? new Date(year, month, day, hour, minute, second).getTime() / 1000
      : Date.UTC(year, month, day, hour, minute, second) / 1000 - zoneOf(parts[7], parts[8], parts[9]);
  return { epoch, utc: utcText(epoch) };
}

function zoneOf(sign: string, hours = '', minutes = ''): number {
  return (sign === '-' ? -60 : 60) * (60 * Number(hours) + Number(minutes));
}

function utcText(epoch: number): string {
  const date = new Date(epoch * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()] ?? ''}/${String(date.getUTCFullYear()).padStart(4, '0')}`;
  return `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}
