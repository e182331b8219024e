/** Files that nobody should write: whatever stands in them, they are obeyed whole, or refused by lines that say where. */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { Prng } from '../base/prng.ts';
import { idleFacts } from '../config/command.ts';
import { readInto } from '../config/blocks.suite.ts';
import { COMMANDS } from '../config/commands.ts';
import { farmOf, UNNAMED } from '../config/farms.ts';
import { ConfigError, EMPTY_CONFIGURATION, serverAt, type Configuration } from '../config/model.ts';
import { Parts } from '../config/parts.ts';
import { printConfiguration } from '../config/print.ts';
import { merge } from '../config/merge.ts';
import { drawLine } from './lines.suite.ts';
import { applyScript, readScript, type ReaderOptions } from './script-reader.ts';

const FILES = Number(process.env['FUZZ_FILES'] ?? (process.env['PEN_LONG'] === undefined ? 1500 : 100_000));
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
const CONTEXT = { facts: idleFacts(1), servicePort: () => undefined };
const AGAIN = { ...CONTEXT, hosts: new Map() };
const SERVED: Configuration = {
  ...EMPTY_CONFIGURATION,
  servers: [serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 1), port: 80 }, { max: 1, weight: 3, acl: 5 })],
};
const RIGHT = printConfiguration({ ...SERVED, farms: new Map([['web', farmOf(SERVED, UNNAMED)]]) });
const BITS = [
  '"',
  '\\',
  '#',
  'no ',
  '\t',
  '\r',
  '\0',
  '\u2028',
  'é',
  '-1',
  '99999999999',
  '%',
  ':',
  '/',
  '0.0.0.0',
  'farm ',
  'farm web',
  'farm mail',
  'include it',
  'include other',
  '[::1]:80',
];

/** A right file with some of its characters, words or lines changed, or strange lines and other files in it. */
function mutated(prng: Prng): string {
  const lines = [...RIGHT];
  for (let i = prng.below(4); i >= 0; i--) {
    const at = prng.below(lines.length);
    const line = lines[at] ?? '';
    const bit = BITS[prng.below(BITS.length)] ?? '';
    const cut = prng.below(line.length + 1);
    const name = COMMANDS[prng.below(COMMANDS.length)]?.name ?? '';
    const kinds = [
      `${line.slice(0, cut)}${bit}${line.slice(cut)}`,
      `${line.slice(0, cut)}${line.slice(cut + 1 + prng.below(4))}`,
      line.replace(/\S+$/, bit),
      `${name} ${bit}`,
      `${name} ${line}`,
      drawLine(prng),
      '',
    ];
    lines[at] = kinds[prng.below(kinds.length)] ?? '';
  }
  return lines.join('\n');
}

test(
  `mutated files (SEED=${SEED})`,
  async () => {
    const prng = new Prng(SEED);
    let inForce: Configuration = EMPTY_CONFIGURATION;
    let obeyed = 0;
    const startMs = performance.now();
    for (let n = 0; n < FILES; n++) {
      const text = mutated(prng);
      const inner = prng.chance(1, 2) ? RIGHT.join('\n') : mutated(prng);
      const files: ReaderOptions = {
        open: (path) =>
          path === 'it'
            ? { path: 'f', identity: path, bytes: Buffer.from(text) }
            : { path: 'g', identity: path, bytes: Buffer.from(inner) },
        lookUp: async (_host, where) => Promise.reject(new ConfigError(where, 'no such host')),
      };
      const before = inForce;
      try {
        const script = await readScript('it', '-F', files);
        const { state, said } = await applyScript(EMPTY_CONFIGURATION, script, CONTEXT);
        inForce = merge(inForce, { configuration: state, said }, new Parts(), 'f').configuration;
        obeyed++;
        // What came of it can be written, and is the same when it is read again.
        const written = printConfiguration(inForce);
        const read = readInto(EMPTY_CONFIGURATION, written, AGAIN);
        if (!isDeepStrictEqual(read, inForce)) {
          expect(read, text).toEqual(inForce);
          throw new Error('what is read is of another kind');
        }
      } catch (error) {
        if (!(error instanceof ConfigError)) throw new Error(`file ${n} of SEED=${SEED}: ${text}`, { cause: error });
        expect(inForce, text).toBe(before);
        for (const line of error.message.split('\n'))
          expect(line).toMatch(/^([fg]:\d+|f: says no server|and \d+ more)/);
      }
    }
    const perSecond = (FILES / (performance.now() - startMs)) * 1000;
    console.log(`${FILES} files, ${obeyed} obeyed, ${perSecond.toFixed(0)} a second (SEED=${SEED})`);
    expect(obeyed).toBeGreaterThan(FILES / 20);
    expect(obeyed).toBeLessThan(FILES);
  },
  60_000 + FILES * 100,
);
