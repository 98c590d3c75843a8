import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/reporter.ts'],
    // ONNX Runtime has threads of its own: one process a file keeps sessions apart.
    pool: 'forks',
    maxWorkers: 2,
  },
});
