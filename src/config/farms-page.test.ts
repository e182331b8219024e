/** The page about farms is true, as far as it can be told without running Pen: `test/` is for the rest. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { linesOf } from './blocks.suite.ts';
import { idleFacts } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EMPTY_CONFIGURATION } from './model.ts';
import { EMPTY_SCRIPT, runScript } from './script.ts';

const PAGE = readFileSync(new URL('../../docs/farms.md', import.meta.url), 'utf8');

test('its file is right, and has both farms', () => {
  const texts = /```\n([^`]*)```/.exec(PAGE)?.[1]?.split('\n') ?? [];
  const context = { facts: idleFacts(1), servicePort: () => undefined, listenPort: () => '80' };
  const step = runScript(EMPTY_CONFIGURATION, { ...EMPTY_SCRIPT, lines: linesOf(texts) }, context).next();
  if (step.done !== true) throw new Error('is longer than a page');
  expect(step.value.errors).toEqual([]);
  const { farms, settings } = step.value.state;
  expect(settings.connMax).toBe(2000);
  expect([...farms.keys()]).toEqual(['web', 'mail']);
  expect(farms.get('web')).toMatchObject({ listen: [{}, {}], servers: [{}, {}], settings: { tracking: 3600 } });
  expect(farms.get('mail')).toMatchObject({ servers: [{}, {}], settings: { roundrobin: true, clientAcl: 1 } });
});

test('its table has each command of a farm, and none of them among those of the process', () => {
  const rows = [...PAGE.matchAll(/^\| ([^|]*) \| ([^|]*) \|$/gm)].slice(1);
  const wordsIn = (column: number): string[] =>
    rows.flatMap((row) => [...(row[column] ?? '').matchAll(/`([a-z_]+)`/g)].map(([, word = '']) => word));
  const ofFarms = COMMANDS.filter(({ scope }) => scope === 'farm').map(({ name }) => name);
  expect(wordsIn(1).sort()).toEqual(ofFarms.filter((name) => !['close', 'connection', 'socket'].includes(name)).sort());
  const ofProcess = COMMANDS.filter(({ scope }) => scope === 'process').map(({ name }) => name);
  expect(wordsIn(2).filter((name) => !ofProcess.includes(name))).toEqual([]);
});
