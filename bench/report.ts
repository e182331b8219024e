/** Markdown for people: the machine, one table per row, and the targets. Pure text building. */
import type { Environment } from './environment.ts';
import { compare, errorsOf, judge, series, type Verdict } from './judge.ts';
import { median, quantile, type Ratio } from './statistics.ts';
import { targets } from './targets.ts';
import type { Metric, RowResult } from './types.ts';

/** A contender as the tables name it. */
export interface Named {
  readonly id: string;
  readonly label: string;
  readonly kind: string;
}

/** The head of a report: what ran, on what. */
export function describeEnvironment(environment: Environment): string {
  const { machine, versions, command, started } = environment;
  const lines = [
    `- ${started}, \`${command}\``,
    `- ${machine.model}, ${machine.cores} CPUs, ${machine.memoryGb} GB; Linux ${machine.kernel}; Node ${machine.node}`,
    `- load average at the start: ${machine.loadAverage}`,
    ...Object.entries(versions).map(([label, version]) => `- ${label} ${version}`),
  ];
  return `${lines.join('\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function ratioText(ratio: Ratio, digits: number): string {
  const { interval } = ratio;
  const middle = ratio.median.toFixed(digits);
  if (interval === null) return middle;
  return `${middle} [${interval.low.toFixed(digits)}, ${interval.high.toFixed(digits)}]`;
}

/** Median of a metric; the compared one with its quartiles. */
function cell(result: RowResult, id: string, metric: Metric): string {
  const values = series(result, id, metric.key);
  if (values === undefined) return '-';
  const text = (value: number): string => value.toFixed(metric.digits);
  if (metric.key !== result.primary || values.length < 3) return text(median(values));
  return `${text(median(values))} (${text(quantile(values, 0.25))}..${text(quantile(values, 0.75))})`;
}

/**
 * One row as a table. The compared metric shows median (quartiles); `of X` is the median of its
 * per-round ratios to X with a 95% interval.
 */
export function describeRow(result: RowResult, contenders: readonly Named[]): string {
  const present = contenders.filter(({ id }) => result.samples[id] !== undefined);
  const { primary } = result;
  const references = present.filter(({ kind, id }) => {
    return (kind === 'peer' || kind === 'before') && primary !== null && series(result, id, primary);
  });
  const rounds = Math.max(...present.map(({ id }) => result.samples[id]?.length ?? 0));
  const body = present.map(({ id, label }) => {
    const invalid = errorsOf(result, id).length > 0;
    return [
      invalid ? `${label} **INVALID**` : label,
      ...result.metrics.map((metric) => cell(result, id, metric)),
      ...references.map((reference) => {
        if (primary === null || reference.id === id) return '-';
        const ratio = compare(result, primary, id, reference.id);
        return ratio === undefined ? '-' : ratioText(ratio, 2);
      }),
    ];
  });
  const head = ['', ...result.metrics.map(({ label }) => label), ...references.map(({ label }) => `of ${label}`)];
  const errors = present.flatMap(({ id, label }) =>
    errorsOf(result, id).map((error) => `- INVALID ${label}, ${error}`),
  );
  const where = result.placement.toUpperCase();
  return [
    `### ${result.title} (${result.row}, ${where}, ${rounds} round${rounds === 1 ? '' : 's'})`,
    '',
    ...result.notes.map((note) => `${note}\n`),
    table(head, body),
    ...(errors.length > 0 ? ['', ...errors] : []),
    '',
  ].join('\n');
}

function boundText(verdict: Verdict, bound: number | null): string {
  if (bound === null) return '-';
  return `${verdict.target.sense === 'at most' ? '<=' : '>='} ${bound}`;
}

/** All targets for which something was measured, as a table; empty text where there is none. */
export function describeTargets(results: readonly RowResult[]): string {
  const verdicts = targets.map((target) => judge(target, results)).filter(({ outcome }) => outcome !== 'not measured');
  if (verdicts.length === 0) return '';
  const body = verdicts.map((verdict) => {
    const { target, measured, outcome, uncertain, against } = verdict;
    const result = results.find(({ row }) => row === target.row);
    const metric = result?.metrics.find(({ key }) => key === target.metric)?.label ?? target.metric;
    return [
      `${target.row}${target.placement === null ? '' : ` ${target.placement.toUpperCase()}`}`,
      target.loop,
      metric,
      target.against === 'best' ? `best (${against})` : (against ?? '-'),
      measured === null ? '-' : ratioText(measured, 3),
      boundText(verdict, target.must),
      boundText(verdict, target.aim),
      `${outcome === 'missed' || outcome === 'invalid' ? `**${outcome}**` : outcome}${uncertain ? ', uncertain' : ''}`,
    ];
  });
  const head = ['row', 'loop', 'figure', 'of', 'measured', 'must', 'aim', 'verdict'];
  return `### Targets\n\n${table(head, body)}\n`;
}
