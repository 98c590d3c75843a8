import { defineConfig } from 'vitest/config';

/** Suites that run alone; `npm test` has a small version of each of their tests. */
const ALONE = { LONG: 'test/long', REAL: 'test/real', SKYRL: 'test/skyrl' };
const alone = Object.entries(ALONE).find(([name]) => process.env[name])?.[1];

/** A real server compiles its programs first, on a machine that may do other things too. */
const PATIENCE = process.env.SKYRL ? 600_000 : 120_000;

export default defineConfig({
  test: {
    include: alone ? [`${alone}/*.test.ts`] : ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: alone ? [] : Object.values(ALONE).map((folder) => `${folder}/**`),
    testTimeout: PATIENCE,
    hookTimeout: PATIENCE,
    reporters: ['default', './test/reporter.ts'],
    // ONNX Runtime has threads of its own: one process a file keeps sessions apart.
    pool: 'forks',
    maxWorkers: 2,
  },
});
