/** `npm run reference`: writes docs/reference.md from the registry of commands. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureOrExit, root } from './ensure.mjs';

await ensureOrExit();
const { referencePage } = await import('../dist/config/reference.js');
writeFileSync(join(root, 'docs', 'reference.md'), referencePage());
