// Compiles src/ to dist/, from scratch, and the pages to dist/report/ (the report) and dist/web/ (the dashboard).
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';

ensureInstalled();
rmSync(join(root, 'dist'), { recursive: true, force: true });
run(bin('tsc'), ['-p', 'tsconfig.build.json']);
for (const page of ['report', 'dashboard'])
  run(bin('vite'), ['build', '--config', `web/${page}/vite.config.ts`]);
