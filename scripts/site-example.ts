/**
 * `npx tsx scripts/site-example.ts`: writes the example log that the site offers (web/site/example.jsonl), in the
 * format of our rollout log. Its groups are sampled by the site's own training on sums in the first steps after the
 * warm-up.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTask, type Group } from '../src/core.js';
import { serializeGroup } from '../src/rollouts/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { startSums, sumsConfig } from '../web/site/sums-training.js';

const STEPS = 8;
/** Groups kept per step, so that the file stays small. */
const KEPT = 6;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const config = sumsConfig(readFileSync(join(root, 'recipes/arithmetic.yaml'), 'utf8'), 'grpo');
const { vocabulary } = createTask(config.task, config.seed);
const lines: string[] = [];
const keep = ({ completions, ...group }: Group): void => {
  const ids = new Set(completions.flatMap(({ tokens }) => [...tokens]));
  const texts = [...ids].sort((a, b) => a - b).map((id) => [id, vocabulary.tokenText(id)] as const);
  const line = serializeGroup({
    ...group,
    tokenTexts: Object.fromEntries(texts),
    completions: completions.map(({ logprobs, ...completion }) => completion),
  });
  lines.push(`${line}\n`);
};
const weights = new Uint8Array(readFileSync(join(root, 'web/site/sums.safetensors')));
const training = await startSums(nodeBackend(), config, weights, (groups) =>
  groups.slice(0, KEPT).forEach(keep),
);
for (let step = 0; step < STEPS; step++) await training.next();
await training.dispose();
writeFileSync(join(root, 'web/site/example.jsonl'), lines.join(''));
process.stdout.write(`example.jsonl: ${lines.length} groups, ${lines.join('').length} bytes\n`);
