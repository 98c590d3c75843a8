// Finds Python for tests and peers: LAMBDA_GRPO_PYTHON, else the environment that `npm run test:python` makes in
// .venv/, else python3.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './ensure.mjs';

const VENV = join(root, '.venv');
const OWN = process.platform === 'win32' ? join(VENV, 'Scripts', 'python.exe') : join(VENV, 'bin', 'python');
const REQUIREMENTS = join(root, 'scripts', 'python', 'requirements.txt');

/** A Python that has these modules; null if there is none. */
export function findPython(modules) {
  const places = [process.env.LAMBDA_GRPO_PYTHON, existsSync(OWN) ? OWN : undefined, 'python3'];
  const has = (python) =>
    spawnSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' }).status === 0;
  return places.find((python) => python && has(python)) ?? null;
}

/** Makes .venv/ with the packages that scripts/python needs, unless it exists. */
export function ensurePython() {
  const installed = join(VENV, 'requirements.txt');
  const wanted = readFileSync(REQUIREMENTS, 'utf8');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return OWN;
  const [python] = ['python3', 'python'].filter(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  if (!python) {
    console.error('error: python3 is not there; these tests need Python 3.10 or newer (npm test does not)');
    process.exit(1);
  }
  console.error('installing PyTorch, transformers, peft and TensorBoard in .venv (once, some minutes) …');
  run(python, ['-m', 'venv', VENV]);
  run(OWN, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  // Written last: an environment with this file is complete.
  writeFileSync(installed, wanted);
  return OWN;
}
