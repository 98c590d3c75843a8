// `npm run test:live`: TRL trains a tiny model while the dashboard follows it. Needs a Python with trl:
// LAMBDA_GRPO_PYTHON or python3. `npm test` replays growing logs instead (src/dashboard/logs.test.ts).
import { ensureBrowser } from './browser.mjs';
import { bin, ensureInstalled, run } from './ensure.mjs';
import { findPython } from './python.mjs';

ensureInstalled();
ensureBrowser();
const python = findPython(['trl', 'pyarrow', 'pandas']);
if (!python) {
  console.error('error: no Python with trl, pyarrow and pandas; name one in LAMBDA_GRPO_PYTHON');
  process.exit(1);
}
await import('./build.mjs');
run(bin('vitest'), ['run', 'test/live-trl.test.ts', ...process.argv.slice(2)], {
  env: { ...process.env, LAMBDA_GRPO_PYTHON: python, LAMBDA_GRPO_LIVE: '1' },
});
