/** What an update needs at its peak, measured from outside: resident memory of processes of their own. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PeakJob } from './peak.js';

/** MiB */
function peakOf(job: PeakJob): { treeTokens: number; peak: number } {
  const args = ['--import', 'tsx', join(import.meta.dirname, 'peak.ts'), JSON.stringify(job)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
}

it('does not grow with tokens × vocabulary', { timeout: 60_000 }, () => {
  const job = { vocabulary: 60_000, layers: 1, width: 32, checkpointing: false };
  const [some, twice] = [peakOf({ ...job, length: 256 }), peakOf({ ...job, length: 512 })];
  const logits = ((twice.treeTokens - some.treeTokens) * job.vocabulary * 4) / 2 ** 20;
  expect(logits).toBeGreaterThan(230);
  // Measured: 43. Even one array of all logits would be `logits` more, and a loss with its derivative has several.
  expect(twice.peak - some.peak).toBeLessThan(logits / 2);
});

it('is smaller under gradient checkpointing', { timeout: 60_000 }, () => {
  const job = { vocabulary: 500, layers: 8, width: 128, length: 512 };
  const [plain, checkpointing] = [false, true].map((on) => peakOf({ ...job, checkpointing: on }).peak);
  // Measured: 605 and 297, of which about 130 are the process.
  expect(checkpointing).toBeLessThan(0.65 * plain);
});
