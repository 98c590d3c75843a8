// `npm run site`: builds the site that explains the paper, as static files in site/. `npm run site -- --serve [port]`
// also serves it.
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';

ensureInstalled();
run(bin('vite'), ['build', '--config', 'web/site/vite.config.ts']);
const [option, port] = process.argv.slice(2);
if (option === '--serve')
  run(bin('tsx'), ['src/cli/main.ts', 'site', ...(port === undefined ? [] : ['--port', port])]);
else console.log(`built ${join(root, 'site')}: any static host shows it, and so does lambda-grpo site`);
