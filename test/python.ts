/** Runs scripts/python if there is a Python with PyTorch, transformers, peft and TensorBoard. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { findPython } from '../scripts/python.mjs';

const MODULES = ['torch', 'transformers', 'peft', 'tensorboard'];
const python = findPython(MODULES);
if (!python) {
  if (process.env.LAMBDA_GRPO_NEEDS_PYTHON) throw new Error(`no Python with ${MODULES.join(', ')}`);
  console.warn(`tests with Python: skipped, none has ${MODULES.join(', ')} (npm run test:python)`);
}

export const hasPython = python !== null;

/** Its standard output. */
export function runPython(script: string, args: readonly string[] = []): string {
  return execFileSync(python as string, [join(import.meta.dirname, '../scripts/python', script), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1e8,
  });
}
