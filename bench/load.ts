/** Closed-loop load: wrk for requests, one curl per stream for bulk. Both are bounded in time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, temporaryDirectory } from './processes.ts';

/** What to offer. `responseBytes` is the size of one whole correct response. */
export interface RequestLoad {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly close: boolean;
  readonly responseBytes: number;
  readonly prefix: readonly string[];
}

/** What the generator saw. Latencies are in microseconds. */
export interface RequestOutcome {
  readonly requests: number;
  readonly seconds: number;
  readonly percentiles: Readonly<Record<'p50' | 'p90' | 'p99' | 'p999', number>>;
  readonly errors: readonly string[];
}

/** Time beyond the asked one after which a generator counts as stuck. */
const GRACE_MS = 15_000;
const FIELDS = ['microseconds', 'requests', 'bytes', 'connect', 'read', 'write', 'status', 'timeout'];
const PERCENTILES = ['50', '90', '99', '99.9'];

let script: string | undefined;

/** Makes wrk print its own figures in full instead of rounded ones. */
function reportScript(): string {
  if (script !== undefined) return script;
  script = join(temporaryDirectory(), 'report.lua');
  const values = [
    's.duration, s.requests, s.bytes, s.errors.connect, s.errors.read, s.errors.write',
    's.errors.status, s.errors.timeout',
    ...PERCENTILES.map((p) => `l:percentile(${p})`),
  ];
  const format = [...FIELDS, ...PERCENTILES].map(() => '%.0f').join(' ');
  writeFileSync(
    script,
    `function done(s, l, r) io.write(string.format("FIGURES ${format}\\n", ${values.join(', ')})) end\n`,
  );
  return script;
}

/**
 * Runs wrk with one thread. Socket errors, timeouts, other statuses, no request at all and a byte
 * count that does not fit the number of responses are returned as errors. Rejects where wrk itself
 * fails or hangs.
 */
export async function offerRequests(load: RequestLoad): Promise<RequestOutcome> {
  const { seconds, connections, close, port } = load;
  // wrk takes whole seconds only; a fraction is cut short by SIGINT, which makes it report.
  const whole = Number.isInteger(seconds);
  const duration = whole ? seconds : Math.ceil(seconds) + 1;
  const header = close ? ['-H', 'Connection: close'] : [];
  const wrk = ['wrk', '-t1', `-c${connections}`, `-d${duration}s`, '-s', reportScript()];
  const bounds = { timeoutMs: duration * 1000 + GRACE_MS };
  const { stdout } = await runCommand(
    [...load.prefix, ...wrk, ...header, `http://127.0.0.1:${port}/`],
    whole ? bounds : { ...bounds, interruptMs: seconds * 1000 },
  );
  return readFigures(stdout, load);
}

function readFigures(stdout: string, load: RequestLoad): RequestOutcome {
  const figures = /^FIGURES (.+)$/m.exec(stdout)?.[1]?.split(' ').map(Number) ?? [];
  if (figures.length !== FIELDS.length + PERCENTILES.length || figures.some(Number.isNaN)) {
    throw new Error(`wrk printed no figures: ${stdout}`);
  }
  const value = (name: string): number => figures[FIELDS.indexOf(name)] ?? 0;
  const errors = ['connect', 'read', 'write', 'status', 'timeout']
    .filter((name) => value(name) > 0)
    .map((name) => `${value(name)} ${name} errors`);
  const requests = value('requests');
  if (requests === 0) errors.push('no request was answered');
  // Each connection may be inside one response when the time is over.
  const surplus = value('bytes') - requests * load.responseBytes;
  if (surplus < 0 || surplus > load.connections * load.responseBytes) {
    errors.push(`${requests} responses in ${value('bytes')} bytes: ${surplus} bytes off`);
  }
  const [p50 = 0, p90 = 0, p99 = 0, p999 = 0] = figures.slice(FIELDS.length);
  const percentiles = { p50, p90, p99, p999 };
  return { requests, seconds: value('microseconds') / 1e6, percentiles, errors };
}

/** What to transfer. `bytes` is the size of one correct body. */
export interface BulkLoad {
  readonly port: number;
  readonly streams: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly prefix: readonly string[];
}

/** What arrived. A stream with a wrong count or status is an error. */
export interface BulkOutcome {
  readonly bytes: number;
  readonly seconds: number;
  readonly errors: readonly string[];
}

/**
 * Transfers whole bodies, `streams` at a time, in waves until `seconds` are over; at least one
 * wave. Rejects where curl cannot be started or a transfer takes a minute.
 */
export async function transferBulk(load: BulkLoad): Promise<BulkOutcome> {
  const started = performance.now();
  const errors: string[] = [];
  let bytes = 0;
  let seconds = 0;
  do {
    const counts = await Promise.all(Array.from({ length: load.streams }, () => transfer(load)));
    for (const { count, status } of counts) {
      bytes += count;
      if (count !== load.bytes || status !== '200') {
        errors.push(`${count} of ${load.bytes} bytes, status ${status}`);
      }
    }
    seconds = (performance.now() - started) / 1000;
  } while (seconds < load.seconds && errors.length === 0);
  return { bytes, seconds, errors };
}

async function transfer(load: BulkLoad): Promise<{ count: number; status: string }> {
  const format = '%{size_download} %{http_code}';
  const url = `http://127.0.0.1:${load.port}/big`;
  const { stdout } = await runCommand(
    [...load.prefix, 'curl', '-q', '-sS', '--noproxy', '*', '-o', '/dev/null', '-w', format, url],
    { timeoutMs: 60_000 },
  );
  const [count = '0', status = ''] = stdout.split(' ');
  return { count: Number(count), status };
}
