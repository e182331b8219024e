/** Has a worker of an unchanged Pen throw, by a module that Node loads into every thread first. */
import { writeFileSync } from 'node:fs';

/**
 * Makes the module: a worker throws in its next turn after the file `trigger` exists, which it removes. While there is
 * one with `.never` behind its name, no worker starts.
 *
 * @param path where the module shall lie. @returns the same; for `NODE_OPTIONS=--import=...`.
 */
export function planted(trigger: string, path = `${trigger}.mjs`): string {
  const code = `import { isMainThread } from 'node:worker_threads';
import { existsSync, unlinkSync } from 'node:fs';
const { load } = Atomics;
const trigger = ${JSON.stringify(trigger)};
if (!isMainThread && existsSync(trigger + '.never')) throw new Error('no more');
if (!isMainThread) Atomics.load = (array, index) => {
  if (existsSync(trigger) && /currentVersion[^]* turn /.test(new Error().stack)) {
    unlinkSync(trigger);
    throw new Error('planted');
  }
  return load(array, index);
};`;
  writeFileSync(path, code);
  return path;
}
