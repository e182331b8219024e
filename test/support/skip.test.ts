import { afterEach, describe, expect, test, vi } from 'vitest';
import { missing, needsLoop } from './skip.ts';

/** Skips are honest: what a machine lacks is said by name. */

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('a machine is told everything it lacks', () => {
  vi.stubEnv('PATH', '/nowhere');
  vi.spyOn(process, 'getuid').mockReturnValue(1000);
  expect(missing({ root: true, packages: ['wrk', 'strace'] })).toBe('root, the package wrk, the package strace');
});

test('a machine that has everything lacks nothing', () => {
  vi.spyOn(process, 'getuid').mockReturnValue(0);
  expect(missing({})).toBeUndefined();
  expect(missing({ root: true })).toBeUndefined();
});

describe('what is declared for a loop', () => {
  const names: string[] = [];
  for (const loop of ['epoll', 'node'])
    needsLoop(loop, 'a suite', () => {
      test('runs, under the name of its loop', ({ task }) => names.push(task.suite?.name ?? ''));
    });

  test.runIf(process.platform === 'linux')('has run', () => {
    expect(names).toEqual(['a suite (epoll)', 'a suite (node)']);
  });
});
