/**
 * `npx tsx scripts/site-weights.ts`: makes the warm-up weights for the site's training on sums. Runs the library's own
 * warm-up on written solutions with the small version of the recipe, and writes the weights, as `Engine.save` stores
 * them, to web/site/sums.safetensors.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTask, memoryStore } from '../src/core.js';
import { nodeBackend } from '../src/runtime/node.js';
import { warmupStep } from '../src/train/warmup.js';
import { freshEngine } from '../web/site/fresh-engine.js';
import { sumsConfig, WEIGHTS } from '../web/site/sums-training.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const recipe = readFileSync(join(root, 'recipes/arithmetic.yaml'), 'utf8');
// The warm-up is the same for both methods.
const config = sumsConfig(recipe, 'lambda-grpo');
const task = createTask(config.task, config.seed);
const engine = freshEngine(nodeBackend(), config, task);
for (let step = 0; step < config.warmup.steps; step++) {
  const { loss } = await warmupStep(engine, task, step, config.warmup, config.optimizer.max_grad_norm);
  if ((step + 1) % 100 === 0) process.stdout.write(`step ${step + 1}: ${loss.toFixed(4)} nats a token\n`);
}
const content = new Map<string, Uint8Array>();
await engine.save(memoryStore(content));
await engine.dispose();
const bytes = content.get(WEIGHTS);
if (!bytes) throw new Error(`Engine.save wrote no ${WEIGHTS}`);
writeFileSync(join(root, 'web/site/sums.safetensors'), bytes);
process.stdout.write(`sums.safetensors: ${bytes.length} bytes\n`);
