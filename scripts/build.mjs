/** `npm run build`: compiles src/ into dist/, even when the stamp says that nothing has changed. */
import { rebuild } from './ensure.mjs';

try {
  await rebuild();
} catch (error) {
  process.stderr.write(`pen: ${error.message}\n`);
  process.exit(1);
}
