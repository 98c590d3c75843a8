// Compiles src/ to dist/, from scratch, and the page of the report to dist/report/.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';

ensureInstalled();
rmSync(join(root, 'dist'), { recursive: true, force: true });
run(bin('tsc'), ['-p', 'tsconfig.build.json']);
run(bin('vite'), ['build', '--config', 'web/report/vite.config.ts']);
