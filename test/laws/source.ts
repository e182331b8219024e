/**
 * What every law reads: the source files, parsed, and the table of rooms.
 *
 * The parser is the one the test runner brings along; the compiler has no API to ask.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { parseSync } from 'vite';

export const root = join(import.meta.dirname, '..', '..');

export interface Room {
  /** Rooms it may import from, besides itself. */
  may: string[];
  /** Rooms of which it may import types only. */
  mayTypes?: string[];
  /** npm packages it may import. */
  packages?: string[];
  /** A function of its arguments: no clock, no chance, no platform. */
  pure?: boolean;
}

export const rooms = readJson('test/laws/rooms.json') as Record<string, Room>;

/** Any node of the syntax tree, as far as a law needs to know. */
export interface Node {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

export interface Comment {
  value: string;
  start: number;
}

export interface Import {
  /** As written, or undefined when it is computed. */
  from: string | undefined;
  typeOnly: boolean;
  start: number;
}

/** One file. `path` is relative to the checkout, with forward slashes. */
export class Source {
  readonly path: string;
  readonly text: string;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  readonly #program: Node;
  readonly #lineStarts: number[] = [0];

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    const parsed = parseSync(path, text, { lang: path.endsWith('.ts') ? 'ts' : 'js', sourceType: 'module' });
    const error = parsed.errors[0];
    if (error !== undefined) throw new Error(`${path} does not parse: ${error.message}`);
    this.comments = parsed.comments;
    this.#program = parsed.program as unknown as Node;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
    this.imports = findImports(this);
  }

  /** The folder under src/, or undefined for a file that is not in src/ or lies in no room. */
  get room(): string | undefined {
    return roomOf(this.path);
  }

  get isTest(): boolean {
    return isTestPath(this.path);
  }

  get lineCount(): number {
    return this.#lineStarts.length - (this.text.endsWith('\n') ? 1 : 0);
  }

  /** Line of an offset, from 1. */
  line(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  /** `path:line`, which editors make a link of. */
  at(offset: number): string {
    return `${this.path}:${this.line(offset)}`;
  }

  walk(visit: (node: Node, parent: Node | undefined, key: string) => void): void {
    walk(this.#program, undefined, '', visit);
  }
}

function walk(
  node: Node,
  parent: Node | undefined,
  key: string,
  visit: (node: Node, parent: Node | undefined, key: string) => void,
): void {
  visit(node, parent, key);
  for (const [name, value] of Object.entries(node)) {
    if (Array.isArray(value)) {
      for (const child of value) if (isNode(child)) walk(child, node, name, visit);
    } else if (isNode(value)) walk(value, node, name, visit);
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

/** Whether an identifier is a mere property name (`x.Date`, `{ Date: 1 }`), which names nothing of this file. */
export function isPropertyName(parent: Node | undefined, key: string): boolean {
  if (parent === undefined || parent['computed'] === true) return false;
  if (key === 'property') return parent.type === 'MemberExpression';
  if (key === 'key') return parent['shorthand'] !== true;
  return parent.type === 'TSQualifiedName' && key === 'right';
}

function findImports(source: Source): Import[] {
  const found: Import[] = [];
  source.walk((node) => {
    const from = node['source'];
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
        if (isNode(from)) found.push({ from: textOf(from), typeOnly: isTypeOnly(node), start: node.start });
        break;
      case 'ImportExpression':
        found.push({ from: isNode(from) ? textOf(from) : undefined, typeOnly: false, start: node.start });
        break;
      case 'TSImportType': {
        const argument = node['source'] ?? node['argument'];
        found.push({ from: isNode(argument) ? textOf(argument) : undefined, typeOnly: true, start: node.start });
        break;
      }
    }
  });
  return found;
}

function textOf(node: Node): string | undefined {
  if (node.type === 'TSLiteralType' && isNode(node['literal'])) return textOf(node['literal']);
  return typeof node['value'] === 'string' ? node['value'] : undefined;
}

/** `import type`, or an import all of whose names are marked `type`. */
function isTypeOnly(node: Node): boolean {
  if (node['importKind'] === 'type' || node['exportKind'] === 'type') return true;
  const names = node['specifiers'];
  if (!Array.isArray(names) || names.length === 0) return false;
  return names.every((name) => isNode(name) && (name['importKind'] === 'type' || name['exportKind'] === 'type'));
}

export function isTestPath(path: string): boolean {
  return /\.(test|suite)\.ts$/.test(path) || path.startsWith('test/');
}

export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\/./.exec(path)?.[1];
}

/** The file a relative import means, from the checkout's root. */
export function resolveImport(source: Source, from: string): string {
  return posix.normalize(posix.join(posix.dirname(source.path), from));
}

const sourceCache = new Map<string, Source[]>();

/** Every TypeScript and JavaScript file in these folders of the checkout. */
export function readSources(...folders: string[]): Source[] {
  return folders.flatMap((folder) => {
    const cached = sourceCache.get(folder);
    if (cached !== undefined) return cached;
    const sources = listFiles(folder)
      .filter((path) => /\.(ts|mjs)$/.test(path) && !path.endsWith('.d.ts'))
      .map((path) => new Source(path, readText(path)));
    sourceCache.set(folder, sources);
    return sources;
  });
}

/** Files under a folder of the checkout, sorted, as paths from the checkout's root. */
export function listFiles(folder: string): string[] {
  const top = join(root, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort((a, b) => (a < b ? -1 : 1));
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function readJson(path: string): unknown {
  return JSON.parse(readText(path));
}
