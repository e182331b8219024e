import { defineConfig } from 'vitest/config';

/**
 * Kernel tests that are not to be disturbed: they compare rates or times, count on a pace of their own, or need both
 * processors anyway. All others wait for something that happens, most of the time for a process that starts or a
 * deadline, and can do so side by side.
 */
const ALONE = [
  'test/{balance,differential,table}/**',
  'test/control/fuzz.test.ts',
  'test/failover/{black-hole,choice,faults,killed-server,names}.test.ts',
  'test/files/traffic.test.ts',
  'test/start/idle.test.ts',
  'test/tcp/{backpressure,bulk,early-goodbye,slices,walk}.test.ts',
  'test/workers/{churn,share}.test.ts',
];

/**
 * What no Node can change once the others pass: long simulations, which are pure functions of seeds; what is decided, not how
 * bytes move; documentation. Left out where PEN_NODE_ONLY is set, for a second run on another Node.
 */
const ON_ONE_NODE = ['test/{balance,differential,docs,failover,logs,overload,packaging,recipes,sim}/**'];
const left = process.env['PEN_NODE_ONLY'] === undefined ? [] : ON_ONE_NODE;

const kernel = {
  globalSetup: ['scripts/ensure.mjs'],
  pool: 'forks' as const,
  testTimeout: 30_000,
  hookTimeout: 30_000,
};

/**
 * Three projects. `fast` is everything that needs no kernel: unit tests beside the code and the laws. `kernel` uses real
 * sockets and processes, or simulates for long, some files at a time; `kernel-alone` one at a time. One project after the
 * other.
 */
export default defineConfig({
  test: {
    teardownTimeout: 10_000,
    projects: [
      {
        test: {
          name: 'fast',
          include: ['src/**/*.test.ts', 'bench/**/*.test.ts', 'test/{laws,support,compatibility}/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...kernel,
          name: 'kernel',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{laws,support,compatibility}/**', ...ALONE, ...left],
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...kernel,
          name: 'kernel-alone',
          include: ALONE.map((files) => (files.endsWith('**') ? `${files}/*.test.ts` : files)),
          exclude: left,
          fileParallelism: false,
          maxWorkers: 1,
          maxConcurrency: 10,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
