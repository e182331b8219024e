/** Writes MaxMind files for tests: as small as they may be, in all the forms that the format knows. */

/** What is said about a network: `country: { iso_code }`, or whatever the test is about. */
export type Data = string | number | boolean | { readonly [key: string]: Data } | readonly Data[];

export interface Network {
  /** 4 or 16 bytes. */
  readonly ip: readonly number[];
  readonly bits: number;
  readonly data: Data;
}

export interface FileOptions {
  readonly ipVersion?: 4 | 6;
  readonly recordSize?: 24 | 28 | 32;
  /** 6to4 and mapped addresses lead to the IPv4 ones, as in the files of MaxMind. */
  readonly hasAliases?: boolean;
}

/** An inner node; a leaf is its data, or nothing. */
type Tree = Leaf | Node;
interface Leaf {
  readonly data: Data | undefined;
}
interface Node {
  0: Tree;
  1: Tree;
}

/** A file that says what the networks say; of two that overlap, the smaller one. IPv4 ones are `::/96` in IPv6 files. */
export function mmdb(networks: readonly Network[], options: FileOptions = {}): Uint8Array {
  const { ipVersion = 6, recordSize = 24, hasAliases = false } = options;
  const root: Node = { 0: { data: undefined }, 1: { data: undefined } };
  const placed = networks.map(({ ip, bits, data }) => {
    const isShort = ip.length === 4 && ipVersion === 6;
    return { ip: isShort ? [...new Array<number>(12).fill(0), ...ip] : ip, bits: isShort ? bits + 96 : bits, data };
  });
  for (const { ip, bits, data } of placed.toSorted((a, b) => a.bits - b.bits)) put(root, ip, bits, { data });
  if (hasAliases) {
    const ipv4 = at(root, new Array<number>(16).fill(0), 96);
    put(root, [0x20, 2, ...new Array<number>(14).fill(0)], 16, ipv4);
    put(root, [...new Array<number>(10).fill(0), 255, 255, 0, 0, 0, 0], 96, ipv4);
  }
  return assemble(root, ipVersion, recordSize);
}

/** Countries of networks such as `10.0.0.0/8`, as MaxMind's own files say it. */
export function countryFile(networks: Readonly<Record<string, string>>, options: FileOptions = {}): Uint8Array {
  const list = Object.entries(networks).map(([network, code]): Network => {
    const [address = '', bits = ''] = network.split('/');
    return { ip: bytesOf(address), bits: Number(bits), data: { country: { iso_code: code, names: { en: code } } } };
  });
  return mmdb(list, options);
}

/** Of IPv6 addresses those with `::` at their end. */
function bytesOf(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number);
  const groups = address
    .replace('::', '')
    .split(':')
    .map((group) => parseInt(group, 16));
  return Array.from({ length: 16 }, (_, i) => ((groups[i >> 1] ?? 0) >> (i % 2 === 0 ? 8 : 0)) & 255);
}

function put(root: Node, ip: readonly number[], bits: number, what: Tree): void {
  let node = root;
  for (let depth = 0; depth < bits - 1; depth++) {
    const side = bitOf(ip, depth);
    const next = node[side];
    const inner: Node = 'data' in next ? { 0: next, 1: next } : next;
    node[side] = inner;
    node = inner;
  }
  if (bits > 0) node[bitOf(ip, bits - 1)] = what;
  else [root[0], root[1]] = [what, what];
}

function at(root: Node, ip: readonly number[], bits: number): Tree {
  let tree: Tree = root;
  for (let depth = 0; depth < bits && !('data' in tree); depth++) tree = tree[bitOf(ip, depth)];
  return tree;
}

function bitOf(ip: readonly number[], depth: number): 0 | 1 {
  return ((ip[depth >> 3]! >> (7 - (depth & 7))) & 1) === 0 ? 0 : 1;
}

function assemble(root: Node, ipVersion: number, recordSize: number): Uint8Array {
  const nodes: Node[] = [];
  const numbers = new Map<Tree, number>();
  const number = (tree: Tree): void => {
    if ('data' in tree || numbers.has(tree)) return;
    numbers.set(tree, nodes.length);
    nodes.push(tree);
    number(tree[0]);
    number(tree[1]);
  };
  number(root);
  const data: number[] = [];
  const places = new Map<Data, number>();
  const record = (tree: Tree): number => {
    if (!('data' in tree)) return numbers.get(tree)!;
    if (tree.data === undefined) return nodes.length;
    let place = places.get(tree.data);
    if (place === undefined) {
      place = data.length;
      places.set(tree.data, place);
      data.push(...encode(tree.data));
    }
    return nodes.length + 16 + place;
  };
  const tree = nodes.flatMap((node) => encodeNode(record(node[0]), record(node[1]), recordSize));
  const about = encode({
    binary_format_major_version: 2,
    node_count: nodes.length,
    record_size: recordSize,
    ip_version: ipVersion,
    database_type: 'Countries',
    languages: ['en'],
    description: { en: 'made by a test' },
  });
  const marker = [0xab, 0xcd, 0xef, ...new TextEncoder().encode('MaxMind.com')];
  return Uint8Array.from([...tree, ...new Array<number>(16).fill(0), ...data, ...marker, ...about]);
}

function encodeNode(left: number, right: number, recordSize: number): number[] {
  if (recordSize === 24) return [...big(left, 3), ...big(right, 3)];
  if (recordSize === 32) return [...big(left, 4), ...big(right, 4)];
  const middle = ((left >>> 24) << 4) | (right >>> 24);
  return [...big(left, 3), middle, ...big(right, 3)];
}

function encode(value: Data): number[] {
  if (typeof value === 'boolean') return head(14, value ? 1 : 0);
  if (typeof value === 'number') {
    const bytes = big(value, 4).slice(value > 0xffff ? 0 : 2);
    return [...head(value > 0xffff ? 6 : 5, bytes.length), ...bytes];
  }
  if (typeof value === 'string') {
    const bytes = [...new TextEncoder().encode(value)];
    return [...head(2, bytes.length), ...bytes];
  }
  if (Array.isArray(value)) return [...head(11, value.length), ...value.flatMap((item: Data) => encode(item))];
  const entries = Object.entries(value);
  return [...head(7, entries.length), ...entries.flatMap(([key, item]) => [...encode(key), ...encode(item as Data)])];
}

/** A pointer in the form for so many bytes. */
export function reference(place: number, bytes: 1 | 2 | 3 | 4): number[] {
  const base = [0, 2048, 526_336, 0][bytes - 1]!;
  const [...rest] = big(place - base, bytes === 4 ? 4 : bytes + 1);
  const high = bytes === 4 ? 0 : rest.shift()!;
  return [0x20 | ((bytes - 1) << 3) | high, ...rest];
}

function head(type: number, size: number): number[] {
  const short = type > 7 ? 0 : type << 5;
  const extended = type > 7 ? [type - 7] : [];
  if (size < 29) return [short | size, ...extended];
  if (size < 285) return [short | 29, ...extended, size - 29];
  return [short | 30, ...extended, ...big(size - 285, 2)];
}

function big(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** (bytes - 1 - i)) % 256);
}
