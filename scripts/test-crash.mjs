// `npm run test:crash [ends] [seed]`: kills runs (default: a hundred times) and checks that they end with the same
// files as uninterrupted runs.
import { bin, ensureInstalled, run } from './ensure.mjs';

ensureInstalled();
await import('./build.mjs');
const [ends = '100', seed = '0'] = process.argv.slice(2);
run(bin('vitest'), ['run', 'test/crash.test.ts'], {
  env: { ...process.env, CRASH_ENDS: ends, CRASH_SEED: seed },
});
