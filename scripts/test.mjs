// `npm test`: installs what is missing, builds (the package test packs dist/) and runs every test.
import { bin, ensureInstalled, run } from './ensure.mjs';

ensureInstalled();
await import('./build.mjs');
run(bin('vitest'), ['run', ...process.argv.slice(2)]);
