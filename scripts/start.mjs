// `npm start`: installs what is missing, builds, and compares GRPO with λ-GRPO on the paper's binary tree.
import { join } from 'node:path';
import { root, run } from './ensure.mjs';

await import('./build.mjs');
const out = join('runs', `binary-tree-${new Date().toISOString().replace(/[:.]/g, '-').slice(0, 19)}`);
run(process.execPath, [
  join(root, 'dist', 'cli', 'main.js'),
  'compare',
  'recipes/binary-tree.yaml',
  '--seeds',
  '5',
  '--out',
  out,
  ...process.argv.slice(2),
]);
