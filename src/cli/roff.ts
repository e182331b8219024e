/** Text for pages of man(7). */
import { fill } from '../config/fill.ts';

/** Characters that roff would make something else of. */
const CHARACTERS: Readonly<Record<string, string>> = {
  '\\': '\\(rs',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
};

/** Text as it stands. */
export function plain(text: string): string {
  return text.replace(/[\\'`^~-]/g, (character) => CHARACTERS[character] ?? character);
}

export function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

/** A command or option as it is written: names bold, what stands for something else in italics. */
export function form(text: string): string {
  return text
    .split(/([A-Z][A-Z_]*\b)/)
    .map((part, at) => (part === '' ? '' : at % 2 === 0 ? bold(part) : `\\fI${plain(part)}\\fR`))
    .join('');
}

/** A text with words in backticks, as documentation has them. */
export function marked(text: string): string {
  return text
    .split('`')
    .map((part, at) => (at % 2 === 0 ? plain(part) : bold(part)))
    .join('');
}

const PARAGRAPH = '.PP\n';
/** Longest line of a page's source, which people may want to read. */
const LINE_MAX = 78;

/** Its first paragraph needs no mark. */
export function section(title: string, ...parts: readonly string[]): string {
  const body = parts.join('');
  return `.SH ${title}\n${body.startsWith(PARAGRAPH) ? body.slice(PARAGRAPH.length) : body}`;
}

export function subsection(title: string, ...parts: readonly string[]): string {
  return `.SS ${plain(title)}\n${parts.join('')}`;
}

/** Something, and indented what it means. */
export function item(head: string, ...texts: readonly string[]): string {
  return `.TP\n${wrapped(head)}${texts.map(wrapped).join('.br\n')}`;
}

/** A text with words in backticks. */
export function paragraph(text: string): string {
  return `${PARAGRAPH}${wrapped(marked(text))}`;
}

/** Lines of a shell, as they are typed. */
export function example(...lines: readonly string[]): string {
  return `.PP\n.RS\n.nf\n${lines.map((line) => `${plain(line)}\n`).join('')}.fi\n.RE\n`;
}

/** Lines of a page's source. */
export function wrapped(text: string): string {
  return fill(text, LINE_MAX)
    .map((each) => `${each.startsWith('.') ? '\\&' : ''}${each}\n`)
    .join('');
}
