/**
 * `npm run graph`: draws which rooms import which, as Mermaid.
 *
 *   node scripts/graph.mjs           print the drawing
 *   node scripts/graph.mjs --write   put it between the markers in docs/architecture.md
 *   node scripts/graph.mjs --check   exit 1 when the drawing there is not this one
 *
 * `--file PATH` names another page than docs/architecture.md.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureOrExit, root } from './ensure.mjs';

const BEGIN = '<!-- graph:begin -->';
const END = '<!-- graph:end -->';

await ensureOrExit({ installOnly: true });
const { parseSync } = await import('vite');
const { values } = parseArgs({
  options: { write: { type: 'boolean' }, check: { type: 'boolean' }, file: { type: 'string' } },
});
const page = values.file ?? join(root, 'docs', 'architecture.md');
const drawing = draw(readEdges());

if (values.write !== true && values.check !== true) {
  process.stdout.write(`${drawing}\n`);
} else if (!existsSync(page)) {
  fail(`there is no ${page}`);
} else {
  const text = readFileSync(page, 'utf8');
  const fresh = replaceBlock(text);
  if (values.write === true) writeFileSync(page, fresh);
  else if (fresh !== text) fail('the drawing of the rooms is out of date; run: npm run graph -- --write');
}

/** Pairs of rooms `[importer, imported, types only]`, sorted. Tests are left out: they may import anything. */
function readEdges() {
  const source = join(root, 'src');
  const edges = new Map();
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || /\.(test|suite)\.ts$/.test(entry.name)) continue;
    const path = relative(source, join(entry.parentPath, entry.name)).split(sep).join('/');
    for (const { from, typeOnly } of importsOf(path, readFileSync(join(source, path), 'utf8'))) {
      const importer = path.split('/')[0];
      const imported = posix.join(posix.dirname(path), from).split('/')[0];
      if (importer === imported || imported === '..') continue;
      const key = `${importer} ${imported}`;
      edges.set(key, (edges.get(key) ?? true) && typeOnly);
    }
  }
  return [...edges]
    .map(([key, typeOnly]) => ({ from: key.split(' ')[0], to: key.split(' ')[1], typeOnly }))
    .sort((a, b) => (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1));
}

/** Relative imports and re-exports of a file. */
function importsOf(path, text) {
  const { program } = parseSync(path, text, { lang: 'ts', sourceType: 'module' });
  return program.body
    .filter((node) => node.source?.value?.startsWith('.'))
    .map((node) => ({
      from: node.source.value,
      typeOnly: node.importKind === 'type' || node.exportKind === 'type',
    }));
}

/** Dotted arrows are imports of types only. */
function draw(edges) {
  const lines = edges.map(({ from, to, typeOnly }) => `  ${from} ${typeOnly ? '-.->' : '-->'} ${to}`);
  return ['```mermaid', 'graph TD', ...lines, '```'].join('\n');
}

function replaceBlock(text) {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) fail(`${page} has no block from ${BEGIN} to ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n${drawing}\n${text.slice(end)}`;
}

function fail(why) {
  process.stderr.write(`graph: ${why}\n`);
  process.exit(1);
}
