// `npm run test:python`: installs what is missing (Python packages too) and runs the tests that compare with Python
// directly: they make our fixtures again and load the files that we save. `npm test` uses only the committed numbers.
import { bin, ensureInstalled, run } from './ensure.mjs';
import { ensurePython } from './python.mjs';

ensureInstalled();
const python = ensurePython();
const files = [
  'test/python-fixtures.test.ts',
  'test/parity.test.ts',
  'test/lora.test.ts',
  'test/tensorboard.test.ts',
];
run(bin('vitest'), ['run', ...files, ...process.argv.slice(2)], {
  env: { ...process.env, LAMBDA_GRPO_PYTHON: python, LAMBDA_GRPO_NEEDS_PYTHON: '1' },
});
