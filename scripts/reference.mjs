/** `npm run reference`: writes the reference, the manual pages and the completion from the registries. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureOrExit, root } from './ensure.mjs';

await ensureOrExit();
const { generatedFiles } = await import('../dist/cli/generated.js');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const [path, text] of generatedFiles(version)) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
