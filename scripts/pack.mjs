// `npm run pack [-- folder]`: builds, and packs the package that users install as lambda-grpo-<version>.tgz.
import { root, run } from './ensure.mjs';

await import('./build.mjs');
run('npm', ['pack', '--loglevel=error', '--pack-destination', process.argv[2] ?? root], {
  shell: process.platform === 'win32',
});
