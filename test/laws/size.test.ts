import { expect, test } from 'vitest';
import { isNode, readJson, readSources, Source, type Node } from './source.ts';

const FILE_LINES_WARN = 400;
const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

/** Functions that are longer than the limit, `path#name` to their lines. The list may only shrink. */
const ratchet = readJson('test/laws/ratchet.json') as Record<string, number>;

interface Measured {
  key: string;
  at: string;
  lines: number;
}

/**
 * Size law: a file is one idea, a function fits on a screen. What is longer is hard to hold in the head and, worse,
 * attracts more. Functions nested in a function are measured by themselves and not counted in it.
 */
function fileLaw(sources: readonly Source[]): string[] {
  return sources
    .filter((source) => source.lineCount > FILE_LINES_MAX)
    .map(
      (source) =>
        `${source.path}: ${source.lineCount} lines, at most ${FILE_LINES_MAX}; find the second idea and give it a file`,
    );
}

function functionLaw(sources: readonly Source[], known: Record<string, number>): string[] {
  const complaints: string[] = [];
  const seen = new Map<string, number>();
  for (const { key, at, lines } of sources.filter((source) => !source.isTest).flatMap(longFunctions)) {
    seen.set(key, lines);
    const recorded = Object.hasOwn(known, key) ? known[key] : undefined;
    if (recorded === undefined) {
      complaints.push(
        `${at}: ${key} has ${lines} lines, at most ${FUNCTION_LINES_MAX}; name its steps and make each a function`,
      );
    } else if (lines > recorded) {
      complaints.push(`${at}: ${key} grew from ${recorded} to ${lines} lines; the ratchet only turns one way`);
    }
  }
  for (const [key, recorded] of Object.entries(known)) {
    const lines = seen.get(key);
    if (lines === undefined) complaints.push(`${key}: is short now, or gone; remove it from ratchet.json`);
    else if (lines < recorded) complaints.push(`${key}: shrank to ${lines} lines; write that into ratchet.json`);
  }
  return complaints;
}

function longFunctions(source: Source): Measured[] {
  const found: Measured[] = [];
  source.walk((node, parent) => {
    if (!isFunction(node)) return;
    const lines = ownLines(source, node);
    if (lines > FUNCTION_LINES_MAX) {
      found.push({ key: `${source.path}#${functionName(node, parent)}`, at: source.at(node.start), lines });
    }
  });
  return found;
}

function isFunction(node: Node): boolean {
  return /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type) && isNode(node['body']);
}

/** Lines of a function without those of the functions inside it. */
function ownLines(source: Source, node: Node): number {
  let lines = source.line(node.end) - source.line(node.start) + 1;
  const visit = (child: unknown): void => {
    if (Array.isArray(child)) child.forEach(visit);
    else if (isNode(child)) {
      if (isFunction(child)) lines -= source.line(child.end) - source.line(child.start);
      else Object.values(child).forEach(visit);
    }
  };
  Object.values(node).forEach(visit);
  return lines;
}

function functionName(node: Node, parent: Node | undefined): string {
  for (const named of [node['id'], parent?.['id'], parent?.['key'], parent?.['left']]) {
    if (isNode(named) && typeof named['name'] === 'string') return named['name'];
  }
  return 'anonymous';
}

test('no file has more than one idea', () => {
  const sources = readSources('src', 'test', 'bench', 'scripts');
  const long = sources.filter((source) => source.lineCount > FILE_LINES_WARN && source.lineCount <= FILE_LINES_MAX);
  for (const source of long)
    process.stderr.write(`size: ${source.path} has ${source.lineCount} lines of ${FILE_LINES_MAX}\n`);
  expect(fileLaw(sources)).toEqual([]);
});

test('no function is longer than a screen, or longer than it was', () => {
  expect(functionLaw(readSources('src', 'bench', 'scripts'), ratchet)).toEqual([]);
});

test('a long file is refused', () => {
  expect(fileLaw([new Source('src/base/a.ts', 'f();\n'.repeat(FILE_LINES_MAX))])).toEqual([]);
  expect(fileLaw([new Source('src/base/a.ts', 'f();\n'.repeat(FILE_LINES_MAX + 1))])).toHaveLength(1);
});

test('a long function is refused, a listed one may only shrink', () => {
  const of = (lines: number): Source[] => [
    new Source('src/base/a.ts', `export function long(): void {\n${'f();\n'.repeat(lines - 2)}}\n`),
  ];
  const key = 'src/base/a.ts#long';
  expect(functionLaw(of(70), {})).toEqual([]);
  expect(functionLaw(of(71), {})).toEqual([expect.stringContaining('has 71 lines')]);
  expect(functionLaw(of(80), { [key]: 80 })).toEqual([]);
  expect(functionLaw(of(81), { [key]: 80 })).toEqual([expect.stringContaining('grew')]);
  expect(functionLaw(of(79), { [key]: 80 })).toEqual([expect.stringContaining('shrank')]);
  expect(functionLaw(of(70), { [key]: 80 })).toEqual([expect.stringContaining('remove it')]);
});

test('a nested function is measured by itself', () => {
  const inner = (name: string): string => `  function ${name}(): void {\n${'f();\n'.repeat(60)}  }\n`;
  const text = `export function outer(): void {\n${inner('a')}${inner('b')}}\n`;
  expect(functionLaw([new Source('src/base/a.ts', text)], {})).toEqual([]);
});
