import { defineConfig } from 'vitest/config';

/**
 * Two projects. `fast` is everything that needs no kernel: unit tests beside the code, the
 * simulator's short runs, and the laws. `kernel` uses real sockets and processes, one file at a
 * time, after `fast`, because timing tests that share two cores with others lie.
 */
export default defineConfig({
  test: {
    teardownTimeout: 10_000,
    projects: [
      {
        test: {
          name: 'fast',
          include: ['src/**/*.test.ts', 'bench/**/*.test.ts', 'test/{laws,support}/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'kernel',
          globalSetup: ['scripts/ensure.mjs'],
          include: ['test/**/*.test.ts'],
          exclude: ['test/{laws,support}/**'],
          pool: 'forks',
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
