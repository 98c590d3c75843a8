// Compiles src/ to a fresh dist/, and bundles the report page to dist/report/, the dashboard to dist/web/, and the web
// component with its types to dist/view/.
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';

ensureInstalled();
rmSync(join(root, 'dist'), { recursive: true, force: true });
run(bin('tsc'), ['-p', 'tsconfig.build.json']);
for (const page of ['report', 'dashboard', 'view'])
  run(bin('vite'), ['build', '--config', `web/${page}/vite.config.ts`]);
run(bin('tsc'), ['-p', 'web/view/tsconfig.json']);
// The compiler writes files without the executable bit, which npm needs to link this one as a program.
const { bin: programs } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const program of Object.values(programs)) chmodSync(join(root, program), 0o755);
