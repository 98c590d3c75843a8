// `npm run bench [-- name …]`: installs what is missing and runs the benchmarks from source.
import { bin, ensureInstalled, run } from './ensure.mjs';

ensureInstalled();
run(bin('tsx'), ['bench/all.bench.ts', ...process.argv.slice(2)]);
