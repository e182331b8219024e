/**
 * Puts each program of src/bin into one file: Node takes a millisecond or more per module and thread to find, read and
 * link it, and opens dozens of them at once, for which a low limit of descriptors has no room.
 *
 * A part that is imported with `import()` becomes a file beside its program. Packages stay packages.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { rolldown } from 'rolldown';

/** @param {string} root the checkout */
export async function bundlePrograms(root) {
  const from = join(root, 'src', 'bin');
  const names = readdirSync(from).filter((name) => name.endsWith('.ts') && !/\.(test|suite)\.ts$/.test(name));
  // One by one: programs that share nothing need no common files.
  for (const name of names) await bundle(root, join(from, name), basename(name, '.ts'));
}

async function bundle(root, input, name) {
  const program = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    external: /^[^./]/,
    tsconfig: false,
    logLevel: 'warn',
  });
  await program.write({
    dir: join(root, 'dist', 'bin'),
    format: 'esm',
    sourcemap: true,
    entryFileNames: `${name}.js`,
    chunkFileNames: `${name}-[name].js`,
  });
  await program.close();
}
