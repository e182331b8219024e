/**
 * Puts the programs of src/bin into one file each: Node takes a millisecond or more per module and thread to find, read and
 * link it, and opens dozens of them at once, for which a low limit of descriptors has no room.
 *
 * A part that is imported with `import()` becomes a file beside its program.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** What Node is started with, as a process or as a thread; other files of src/bin are parts of these. */
const PROGRAMS = [
  'pen',
  'penctl',
  'webstats',
  'mergelogs',
  'penlog',
  'penlogd',
  'worker',
  'whole-worker',
  'demo',
  'demo-server',
];
/** Packages that are put in, too, with their licence: Node scans what is not ESM for exports, at every start. */
const PACKAGES = ['ipaddr.js'];

/** @param {string} root the checkout */
export async function bundlePrograms(root) {
  // One by one: programs that share nothing need no common files.
  for (const name of PROGRAMS) await bundle(root, name);
}

async function bundle(root, name) {
  const program = await rolldown({
    cwd: root,
    input: join(root, 'src', 'bin', `${name}.ts`),
    platform: 'node',
    external: (id) => /^[^./]/.test(id) && !PACKAGES.includes(id),
    // A source map names the same paths wherever node_modules really lies.
    resolve: { symlinks: false },
    tsconfig: false,
    logLevel: 'warn',
  });
  await program.write({
    dir: join(root, 'dist', 'bin'),
    format: 'esm',
    banner: ({ moduleIds }) => licences(root, moduleIds),
    sourcemap: true,
    entryFileNames: `${name}.js`,
    chunkFileNames: `${name}-[name].js`,
  });
  await program.close();
}

function licences(root, moduleIds) {
  const inside = PACKAGES.filter((name) => moduleIds.some((id) => id.includes(`/node_modules/${name}/`)));
  return inside
    .map((name) => `/*! ${name}\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}*/`)
    .join('\n');
}
