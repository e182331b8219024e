/** The list of differences as the table of `docs/differences.md`. */
import { DIFFERENCES, type Difference } from './differences.ts';

const BEGIN = '<!-- differences:begin -->';
const END = '<!-- differences:end -->';

/** The page with its table replaced by the present one. @errors when it has no place for a table. */
export function withTable(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the page has no ${BEGIN} ... ${END}`);
  return `${before}${BEGIN}\n${table()}${END}${after}`;
}

function table(): string {
  const rows = Object.values<Difference>(DIFFERENCES).map(({ when, original, ours, why }) =>
    row(when, original, ours, why),
  );
  return [row('when', "Debian's pen", 'Pen', 'why'), row('---', '---', '---', '---'), ...rows]
    .map((line) => `${line}\n`)
    .join('');
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
