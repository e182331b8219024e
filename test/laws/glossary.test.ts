import { expect, test } from 'vitest';
import { readSources, readText, Source } from './source.ts';

interface Glossary {
  /** Refused word to the word to say instead. */
  instead: Map<string, string>;
  /** Whole identifiers that may contain one, and phrases that comments may. */
  exceptions: Set<string>;
}

/**
 * Glossary law: one word per thing. Two words for one thing make a reader look for the difference, and a search find
 * half; the words Pen does without are those that other proxies use for several things.
 */
function glossaryLaw(sources: readonly Source[], glossary: Glossary): string[] {
  return sources.flatMap((source) => [...judgeNames(source, glossary), ...judgeComments(source, glossary)]);
}

function judgeNames(source: Source, glossary: Glossary): string[] {
  const complaints = new Set<string>();
  source.walk((node, parent) => {
    const { type } = node;
    const name = node['name'];
    if ((type !== 'Identifier' && type !== 'PrivateIdentifier') || typeof name !== 'string') return;
    // A name of somebody else's, in import { theirs as ours }: only ours is judged.
    if (parent?.type === 'ImportSpecifier' && parent['imported'] === node && parent['local'] !== node) return;
    const word = refusedIn(name, glossary);
    if (word !== undefined) {
      complaints.add(`${source.at(node.start)}: ${name} says "${word}"; say ${glossary.instead.get(word)}`);
    }
  });
  return [...complaints];
}

function judgeComments(source: Source, glossary: Glossary): string[] {
  const complaints: string[] = [];
  for (const { value, start } of source.comments) {
    // Same length, so that offsets stay true.
    const blank = (text: string): string => ' '.repeat(text.length);
    let text = value.replace(/`[^`]*`/g, blank);
    for (const phrase of glossary.exceptions) {
      if (phrase.includes(' ')) text = text.replace(new RegExp(`\\b${phrase.replace(' ', '\\s+')}s?\\b`, 'gi'), blank);
    }
    for (const match of text.matchAll(/[A-Za-z_]\w*/g)) {
      const word = refusedIn(match[0], glossary);
      if (word === undefined) continue;
      const instead = glossary.instead.get(word);
      complaints.push(
        `${source.at(start + 2 + match.index)}: the comment says "${match[0]}"; say ${instead}, or quote it in backticks`,
      );
    }
  }
  return complaints;
}

/** The refused word in an identifier, looking at its parts: serverPool, SERVER_POOL and pools all say pool. */
function refusedIn(name: string, { instead, exceptions }: Glossary): string | undefined {
  if (exceptions.has(name)) return undefined;
  const parts = name.split(/_|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/);
  for (const part of parts) {
    const word = part.toLowerCase();
    if (exceptions.has(word) || exceptions.has(word.replace(/s$/, ''))) continue;
    if (instead.has(word)) return word;
    if (word.endsWith('s') && instead.has(word.slice(0, -1))) return word.slice(0, -1);
  }
  return undefined;
}

function readGlossary(page: string): Glossary {
  const glossary: Glossary = { instead: new Map(), exceptions: new Set() };
  for (const line of page.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
    if (cells.length === 5) for (const word of quoted(cells[3])) glossary.instead.set(word, cells[1]);
    if (cells.length === 4) for (const word of quoted(cells[1])) glossary.exceptions.add(word);
  }
  return glossary;
}

const glossary = readGlossary(readText('docs/glossary.md'));

test('the source says one word per thing', () => {
  expect(glossaryLaw(readSources('src'), glossary)).toEqual([]);
});

test('the page is understood', () => {
  expect(Object.fromEntries(glossary.instead)).toMatchObject({
    pool: 'farm',
    backend: 'server',
    flow: 'session',
    conn: 'connection',
  });
  expect(glossary.exceptions).toContain('connMax');
});

test.each([
  'const conn = 1;',
  'const serverPool = 1;',
  'type Backends = 1;',
  'const CONN_COUNT = 1;',
  'const x = { flowCount: 1 };',
  'class A { #pools = 1; }',
  '// the backend is slow',
  '/** Counts conns. */',
  '/* see poolSize */',
])('%s is refused', (text) => {
  expect(glossaryLaw([new Source('src/engine/a.ts', text)], glossary)).toHaveLength(1);
});

test.each([
  'const connMax = CONN_MAX;',
  'const connection = overflow;',
  '// It may be quoted: `conn`, `backend.conn`',
  '/* a buffer pool, and thread pools, under flow\n   control */',
  "const text = 'no such backend';",
  "import { conn as connection } from './b.ts';",
])('%s is fine', (text) => {
  expect(glossaryLaw([new Source('src/engine/a.ts', text)], glossary)).toEqual([]);
});
