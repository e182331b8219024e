import { expect, test } from 'vitest';
import { readSources, resolveImport, roomOf, Source } from './source.ts';

/** The rooms that may hold a native address. */
const native = new Set(['ffi', 'linux', 'openssl']);
/** The rooms between the tables and the loop, where a 64-bit address could be smuggled as a BigInt. */
const noBigInt = new Set(['table', 'balance', 'health', 'stream', 'loop', 'engine']);

/**
 * Address law: native addresses stay in ffi, linux and openssl.
 *
 * A wrong address is a crash or a leak of another client's bytes, and no type can prove one right. Everybody else
 * says (arena offset, length), descriptor or slot, which can be checked. Precisely: only ffi imports koffi or makes a
 * `require`; only the native rooms import ffi; only they have names ending in Pointer or NativeAddress; the rooms
 * between tables and loop have no BigInt, which is what an address is made of.
 */
function addressLaw(sources: readonly Source[]): string[] {
  return sources.filter((source) => !source.isTest).flatMap(checkFile);
}

function checkFile(source: Source): string[] {
  const complaints: string[] = [];
  const room = source.room ?? '';
  for (const { from, start } of source.imports) {
    if (from === 'koffi' && room !== 'ffi') {
      complaints.push(`${source.at(start)}: only src/ffi imports koffi; add the call you need there`);
    }
    if (
      from?.startsWith('.') === true &&
      roomOf(resolveImport(source, from)) === 'ffi' &&
      room !== 'ffi' &&
      !native.has(room)
    ) {
      complaints.push(`${source.at(start)}: only linux and openssl import src/ffi; go through a contract of src/loop`);
    }
  }
  source.walk((node) => {
    const name = nameOf(node.type, node['name']);
    if (name !== undefined && /(?:Pointer|[nN]ativeAddress)$/.test(name) && !native.has(room)) {
      complaints.push(`${source.at(node.start)}: ${name} is a native address; pass (arena offset, length) or a slot`);
    }
    if (name === 'createRequire' && room !== 'ffi') {
      complaints.push(`${source.at(node.start)}: createRequire hides imports from the laws; use import`);
    }
    if (noBigInt.has(room) && (isBigInt(node.type, node['bigint']) || /^Big(?:Int|Uint)/.test(name ?? ''))) {
      complaints.push(
        `${source.at(node.start)}: ${room} has no BigInt (an address, or slow); use numbers, two u32 words`,
      );
    }
  });
  return complaints;
}

function nameOf(type: string, name: unknown): string | undefined {
  return (type === 'Identifier' || type === 'PrivateIdentifier') && typeof name === 'string' ? name : undefined;
}

function isBigInt(type: string, literal: unknown): boolean {
  return type === 'TSBigIntKeyword' || (type === 'Literal' && typeof literal === 'string');
}

test('native addresses stay in ffi, linux and openssl', () => {
  expect(addressLaw(readSources('src'))).toEqual([]);
});

test.each([
  ['src/linux/a.ts', "import koffi from 'koffi';", 'only src/ffi imports koffi'],
  ['src/engine/a.ts', "import { arena } from '../ffi/arena.ts';", 'only linux and openssl import src/ffi'],
  ['src/engine/a.ts', 'let bufferPointer = 0;', 'bufferPointer is a native address'],
  ['src/control/a.ts', 'const x = { nativeAddress: 1 };', 'nativeAddress is a native address'],
  ['src/control/a.ts', "import { createRequire } from 'node:module';", 'createRequire hides'],
  ['src/engine/a.ts', 'let x = 1n;', 'engine has no BigInt'],
  ['src/loop/a.ts', 'export type Place = bigint;', 'loop has no BigInt'],
  ['src/table/a.ts', 'export const x = new BigUint64Array(1);', 'table has no BigInt'],
])('%s with %s is refused', (path, text, why) => {
  const complaints = addressLaw([new Source(path, text)]);
  expect(complaints.length).toBeGreaterThan(0);
  for (const complaint of complaints) expect(complaint).toContain(why);
});

test.each([
  ['src/ffi/a.ts', "import koffi from 'koffi'; let bufferPointer = 1n;"],
  ['src/linux/a.ts', "import { arena } from '../ffi/arena.ts'; let ringPointer = 1n;"],
  ['src/control/a.ts', 'const pointerSize = 8; const nanos = 1n;'],
])('%s with %s is fine', (path, text) => {
  expect(addressLaw([new Source(path, text)])).toEqual([]);
});
