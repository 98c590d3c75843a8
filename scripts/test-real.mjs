// `npm run test:real`: compares SmolLM2-135M-Instruct in our engine with transformers and peft. Installs what is
// missing (Python packages too), makes the model in .models/ once, and writes the measurements to docs/results/real.md.
// LAMBDA_GRPO_REAL_MODEL names another model folder.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';
import { ensurePython, findPython } from './python.mjs';

ensureInstalled();
const python = findPython(['torch', 'transformers', 'peft', 'gguf']) ?? ensurePython();
const model = process.env.LAMBDA_GRPO_REAL_MODEL ?? join(root, '.models', 'smollm2-135m-instruct');
if (!existsSync(join(model, 'model.safetensors'))) {
  run(python, [join(root, 'scripts', 'python', 'make_smollm2.py'), model]);
}
await import('./build.mjs');
const folder = mkdtempSync(join(tmpdir(), 'test-real-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const facts = join(folder, 'facts.jsonl');
run(bin('vitest'), ['run', '--maxWorkers=1'], {
  env: {
    ...process.env,
    REAL: '1',
    LAMBDA_GRPO_PYTHON: python,
    LAMBDA_GRPO_REAL_MODEL: model,
    REAL_FACTS: facts,
  },
});
const rows = readFileSync(facts, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
writeFileSync(
  join(root, 'docs', 'results', 'real.md'),
  `# SmolLM2-135M-Instruct here and in transformers

Written by \`npm run test:real\`, which fails where a bound is not met. Reference: transformers 5.24 and peft 0.21 on PyTorch 2.13, float32.

| | measured | bound |
| --- | --- | --- |
${rows.map(({ name, value, bound }) => `| ${name} | ${value} | ${bound} |`).join('\n')}
`,
);
