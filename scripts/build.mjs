// Compiles src/ to dist/, from scratch, and the pages to dist/report/ (the report) and dist/web/ (the dashboard).
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';

ensureInstalled();
rmSync(join(root, 'dist'), { recursive: true, force: true });
run(bin('tsc'), ['-p', 'tsconfig.build.json']);
for (const page of ['report', 'dashboard'])
  run(bin('vite'), ['build', '--config', `web/${page}/vite.config.ts`]);
// The compiler writes plain files; npm links to this one as a program.
const { bin: programs } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const program of Object.values(programs)) chmodSync(join(root, program), 0o755);
