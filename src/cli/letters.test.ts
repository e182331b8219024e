import { describe, expect, test } from 'vitest';
import { readLetters, usageOf, type Tool } from './letters.ts';

const TOOL: Tool = {
  name: 'tool',
  synopsis: '[-cd] [-p file] word',
  letters: [
    { letter: 'c', help: 'does `c`' },
    { letter: 'd', help: 'does d' },
    { letter: 'p', argument: 'FILE', help: `names a file ${'and says more '.repeat(8)}` },
  ],
};
const read = (...args: string[]) => {
  const { all, last, words, instead } = readLetters(TOOL, args);
  return { c: all('c').length, d: all('d').length, p: last('p'), words, instead };
};

describe('letters', () => {
  test('are read as getopt reads them', () => {
    const none = { c: 0, d: 0, p: undefined, words: [], instead: undefined };
    expect(read()).toEqual(none);
    expect(read('-cdd', '-pa', 'w', '-p', 'b', '-', '--', '-c')).toEqual({
      ...none,
      c: 1,
      d: 2,
      p: 'b',
      words: ['w', '-', '-c'],
    });
    expect(read('-dpc')).toEqual({ ...none, d: 1, p: 'c' });
    expect(read('--version', '--help').instead).toBe('version');
  });

  test.each([
    [['-x'], '-x: no such option; tool --help lists them'],
    [['-cx'], '-x: no such option; tool --help lists them'],
    [['--jitter'], '--jitter: no such option; tool --help lists them'],
    [['-p'], '-p: needs FILE behind it; tool --help tells what it means'],
  ])('%j is refused', (args, message) => expect(() => read(...args)).toThrow(message));

  test('are told in lines that fit a terminal', () => {
    const lines = usageOf(TOOL).split('\n');
    expect(lines.slice(0, 4)).toEqual([
      'usage: tool [-cd] [-p file] word',
      '',
      '  -c          does c',
      '  -d          does d',
    ]);
    expect(lines[5]).toMatch(/^ {14}\S/);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });
});
