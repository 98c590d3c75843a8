import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The long suite (`npm run test:long`) runs alone; `npm test` has a small version of each of its tests.
    include: process.env.LONG ? ['test/long/*.test.ts'] : ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: process.env.LONG ? [] : ['test/long/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/reporter.ts'],
    // ONNX Runtime has threads of its own: one process a file keeps sessions apart.
    pool: 'forks',
    maxWorkers: 2,
  },
});
