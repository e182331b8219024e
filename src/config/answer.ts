/**
 * Answers of commands, as data: what a query tells is said once, as rows of named fields, and printed in two ways: as the
 * text that scripts of the original read, and as JSON.
 */

/** What a field holds. */
export type Value = string | number | boolean;

/** Fields by name. */
export type Row = Readonly<Record<string, Value>>;

/** What a field means; `unit` is empty for names, numbers of things, and words. */
export interface Field {
  readonly unit: string;
  readonly help: string;
}

/** Each field of a row: the compiler sees that none is left out. */
export type Fields<R extends Row = Row> = { readonly [K in keyof R]: Field };

/** What a query tells: fields that stand alone, and lists by name. */
export interface Told {
  readonly fields: Fields;
  readonly lists: Readonly<Record<string, Fields>>;
}

/** A text in pieces of whole lines, some kilobytes each. A piece tells what holds when it is asked for. */
export type Pieces = Generator<string, void>;

/** Rows of a list, page by page; each is read when it is asked for. */
export type Pages<R extends Row = Row> = () => Iterable<readonly R[]>;

/** What a query tells now. */
export interface Answer {
  /** As people and old scripts read it. */
  readonly text: () => string | Pieces;
  readonly row: Row;
  readonly lists: Readonly<Record<string, Pages>>;
}

/** What was wrong, in the words that old scripts know; a line of text, with its line end. */
export interface Mistake {
  readonly mistake: string;
}

/** What is answered: data, a text that has none, or what was wrong. */
export type Reply = string | Answer | Mistake;

export function field(help: string, unit = ''): Field {
  return { unit, help };
}

/** An answer of one row. */
export function tellRow(row: Row, text: string): Answer {
  return { text: () => text, row, lists: {} };
}

/** An answer that is a list: `line` prints a row, with its line end. */
export function tellList<R extends Row>(name: string, pages: Pages<R>, line: (row: R) => string): Answer {
  return { text: () => linesOf(pages, line), row: {}, lists: { [name]: pages } };
}

function* linesOf<R extends Row>(pages: Pages<R>, line: (row: R) => string): Pieces {
  for (const page of pages()) yield page.map(line).join('');
}

/** The answer as text: whole where it is short, else in pieces. */
export function textOf(reply: Reply): string | Pieces {
  if (typeof reply === 'string') return reply;
  return 'mistake' in reply ? reply.mistake : reply.text();
}

/**
 * The same data as one JSON document with a line end: an object, each row of its lists on a line of its own. A text that
 * has no data is its field `text`, and a mistake is `error`.
 */
export function jsonOf(reply: Reply): string | Pieces {
  if (typeof reply === 'string') return `${JSON.stringify(reply === '' ? {} : { text: reply })}\n`;
  if ('mistake' in reply) return jsonError(reply.mistake.trimEnd());
  const { row, lists } = reply;
  return Object.keys(lists).length === 0 ? `${JSON.stringify(row)}\n` : documentOf(row, lists);
}

/** What went wrong, as the same kind of document. */
export function jsonError(message: string): string {
  return `${JSON.stringify({ error: message })}\n`;
}

function* documentOf(row: Row, lists: Answer['lists']): Pieces {
  const fields = Object.entries(row).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  let before = `{${fields.join(',')}`;
  for (const [index, [name, pages]] of Object.entries(lists).entries()) {
    const comma = index === 0 && fields.length === 0 ? '' : ',';
    yield `${before}${comma}${JSON.stringify(name)}:[`;
    yield* rowsOf(pages);
    before = '\n]';
  }
  yield `${before}}\n`;
}

function* rowsOf(pages: Pages): Pieces {
  let comma = '';
  for (const page of pages()) {
    if (page.length === 0) continue;
    yield `${comma}${page.map((row) => `\n${JSON.stringify(row)}`).join(',')}`;
    comma = ',';
  }
}

/** All of an answer at once, as text: where it is known to be short, or has no reader who could be slow. */
export function wholeOf(reply: string | Pieces): string {
  return typeof reply === 'string' ? reply : [...reply].join('');
}
