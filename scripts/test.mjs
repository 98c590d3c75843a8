// `npm test`: installs what is missing (packages, a browser), builds (the package test packs dist/) and runs every test
// except the slow suite, which is `npm run test:long`.
import { ensureBrowser } from './browser.mjs';
import { bin, ensureInstalled, run } from './ensure.mjs';

ensureInstalled();
ensureBrowser();
await import('./build.mjs');
const [first, ...rest] = process.argv.slice(2);
const long = first === '--long';
run(bin('vitest'), ['run', ...(long ? rest : process.argv.slice(2))], {
  env: { ...process.env, ...(long ? { LONG: '1' } : {}) },
});
