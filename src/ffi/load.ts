/** The small door to native code: the C library that Node itself is linked with, reached without native code of ours. */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import { bindLibc, type Libc } from './libc.ts';
import { bindMemory, type MemoryCalls } from './memory.ts';

/** Everything native that a thread can call. Addresses are plain numbers and stay in ffi, linux and openssl. */
export interface Ffi extends MemoryCalls {
  readonly libc: Libc;
  /** The file of native code that was loaded, for threads that start later; empty when it is not known. */
  readonly file: string;
}

/** Either the FFI, or the reason why this machine has none, as a text for people. */
export type FfiResult =
  | { readonly ffi: Ffi; readonly reason?: never }
  | { readonly ffi?: never; readonly reason: string };

/** 64-bit and little-endian: addresses and offsets are written by hand; all have Linux's generic error numbers. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: FfiResult | undefined;

/**
 * Loads the FFI once per thread; later calls return the same.
 *
 * @param file what another thread has loaded. The process has it already, so it is had again after the file was
 * replaced or removed, or is out of reach. Empty: whatever package is installed.
 * @cost the first call reads a shared library from disk (some ms): call it before chroot.
 * @errors never throws: a missing or unusable binary gives a reason, and the caller picks the loop without FFI.
 */
export function loadFfi(file = ''): FfiResult {
  loaded ??= load(file);
  return loaded;
}

function load(file: string): FfiResult {
  if (process.platform !== 'linux') return { reason: `native calls are for Linux, this is ${process.platform}` };
  if (!ARCHITECTURES.includes(process.arch) || endianness() !== 'LE') {
    return { reason: `native calls are not possible on the processor type ${process.arch}` };
  }
  try {
    const { koffi, from } = file === '' ? installedKoffi() : { koffi: loadedKoffi(file), from: file };
    // The process itself: Node's own symbols, so that no file name of any C library is assumed (glibc, musl).
    const library = koffi.load(null);
    const libc = bindLibc({
      func: (name, result, parameters) => library.func(name, result, parameters) as (...values: number[]) => number,
      errno: () => koffi.errno(),
    });
    const view = (address: number, length: number): ArrayBuffer => koffi.view(address, length);
    return { ffi: { libc, file: from, ...bindMemory(libc, view, (bytes) => Number(koffi.address(bytes))) } };
  } catch (error) {
    // The first line says it; the rest is where Node has looked.
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
    return { reason: `native calls are not possible: ${why}` };
  }
}

/** Not an import: the package holds a binary per platform, and a missing one must be an answer, not a crash. */
function installedKoffi(): { readonly koffi: typeof Koffi; readonly from: string } {
  const require = createRequire(import.meta.url);
  const koffi = require('koffi') as typeof Koffi;
  return { koffi, from: Object.keys(require.cache).find((path) => path.endsWith('koffi.node')) ?? '' };
}

/** The loader knows what it has loaded by its name, and does not look for the file. @source dlopen(3) */
function loadedKoffi(file: string): typeof Koffi {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports as typeof Koffi;
}
