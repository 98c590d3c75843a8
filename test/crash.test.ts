/**
 * A run that is killed at any moment and continued equals the uninterrupted run. `npm run test:crash` kills runs a
 * hundred times; this test kills a few (CRASH_ENDS and CRASH_SEED set how many, and when).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Stream } from '../src/random/stream.js';
import { type ChainResult, ENDS, type End, remains, runChain, start } from './crash.js';

const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-crash-'));
afterAll(() => rmSync(folder, { recursive: true }));

const wanted = Number(process.env.CRASH_ENDS ?? 8);
const seed = Number(process.env.CRASH_SEED ?? 0);
const ENDS_OF_A_CHAIN = 8;

const CASES = {
  'binary tree': `
task: { name: binary-tree }
model: { layers: 1, width: 32, heads: 2 }
objective: { updates_per_batch: 2, kl_beta: 0.02 }
train: { steps: 60 }
evaluation: { every: 7 }
checkpoint: { every: 4, keep: 2, best: true }
`,
  'sums with warm-up and adapter': `
task: { name: arithmetic, digits: 1, held_out: 6 }
model: { layers: 1, width: 32, heads: 2, lora: { r: 4, alpha: 8, dropout: 0.1 } }
objective: { kl_beta: 0.02 }
warmup: { steps: 24, batch_size: 8 }
sampling: { group_size: 4, prompts_per_step: 2 }
train: { steps: 24 }
evaluation: { every: 5, problems: 6 }
checkpoint: { every: 4, keep: 2, best: true }
`,
};

for (const [number, [name, text]] of Object.entries(CASES).entries()) {
  const most = Math.ceil(wanted / 2);
  it(
    `${name}: ${most} ends, and every chain leaves what the uninterrupted run leaves`,
    async () => {
      const config = join(folder, `${number}.yaml`);
      writeFileSync(config, text);
      const whole = join(folder, `${number}-whole`);
      const began = performance.now();
      const { code } = await start(['train', config, '--out', whole, '--threads', '1']).ended;
      expect(code).toBe(0);
      const milliseconds = performance.now() - began;
      const uninterrupted = remains(whole);
      const total: Record<string, number> = {};
      const sum = (counts: Readonly<Record<End, number>>) => ENDS.reduce((n, end) => n + counts[end], 0);
      for (let chain = 0, left = most; left > 0; chain++) {
        const out = join(folder, `${number}-chain-${chain}`);
        const stream = new Stream(seed, 'crash', number, chain);
        const ends = Math.min(left, ENDS_OF_A_CHAIN);
        const result: ChainResult = await runChain(config, out, stream, ends, milliseconds);
        const where = `seed ${seed}, chain ${chain}: ${JSON.stringify(result.ends)}`;
        expect(result.complaints, where).toEqual([]);
        const left_behind = remains(out);
        expect(Object.keys(left_behind).sort(), where).toEqual(Object.keys(uninterrupted).sort());
        for (const [file, bytes] of Object.entries(uninterrupted))
          expect(left_behind[file] === bytes, `${where}: ${file} differs`).toBe(true);
        for (const end of ENDS) total[end] = (total[end] ?? 0) + result.ends[end];
        left -= Math.max(1, sum(result.ends));
        rmSync(out, { recursive: true });
      }
      if (process.env.CRASH_ENDS) process.stdout.write(`${name}: ${JSON.stringify(total)}\n`);
    },
    30_000 + most * 20_000,
  );
}
