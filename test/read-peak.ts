/**
 * Started by bombs.test.ts: reads a log to its end. Prints the number of groups, the error, and the peak memory in MiB.
 */
import { resourceUsage } from 'node:process';
import { readRollouts } from '../src/rollouts/files.js';

let groups = 0;
let message = '';
try {
  for await (const _ of readRollouts(process.argv[2], { groupSize: 1 })) groups++;
} catch (error) {
  message = `${(error as Error).name}: ${(error as Error).message}`;
}
// On Linux in KiB, elsewhere in bytes as macOS counts: then the bound is looser.
console.log(JSON.stringify({ groups, message, peak: resourceUsage().maxRSS / 1024 }));
