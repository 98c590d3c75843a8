/**
 * Peak resident memory of a pretrained model under a memory budget: an update of 6 completions that share nothing,
 * sampling, and greedy evaluation of many problems. Each job runs in its own process. `npx tsx bench/memory.bench.ts
 * <model folder> [budget] [part of a job's name]`; without a job, all run. The jobs take minutes.
 */
import { execFileSync } from 'node:child_process';
import { LocalEngine } from '../src/engine/index.js';
import { storedWeights, withCheckpoint } from '../src/model/files.js';
import { loadParameters } from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { memoryBytes } from '../src/train/config.js';
import { ProcessTree } from '../src/tree/index.js';
import { printRows, type Row } from './measure.js';

const JOBS = {
  'update of 6 × 2,048 tokens': { count: 6, length: 2048, update: true },
  'sampling 32 × 512': { count: 32, length: 512, update: false },
  'greedy 125 × 1,024': { count: 125, length: 1024, update: false },
} as const;

interface Job {
  readonly model: string;
  readonly budget: string;
  readonly name: keyof typeof JOBS;
}

/** Runs one job in this process. */
async function runJob({ model, budget, name }: Job): Promise<void> {
  const { count, length, update } = JOBS[name];
  const { config, stored, parameters } = await withCheckpoint(model, async (checkpoint) => {
    const mapped = await storedWeights(checkpoint);
    return mapped
      ? { config: checkpoint.config, stored: mapped, parameters: undefined }
      : { config: checkpoint.config, stored: undefined, parameters: await loadParameters(checkpoint) };
  });
  const adapter = { r: 16, alpha: 32, dropout: 0, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj'] };
  const engine = new LocalEngine({
    backend: nodeBackend(),
    model: { ...config, adapter },
    ...(stored ? { stored } : { parameters }),
    optimizer: { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    seed: 0,
    memory: memoryBytes(budget),
  });
  const started = performance.now();
  const prompt = Int32Array.from({ length: 40 }, (_, t) => 1000 + t);
  if (update) {
    const completions = Array.from({ length: count }, (_, i) =>
      Int32Array.from({ length }, (__, t) => (7919 * i + 104_729 * t + i * t) % config.vocabularySize),
    );
    const tree = ProcessTree.build(completions);
    const batch = { tokens: tree.tokenCount, sequences: count, maxTokens: length };
    const weights = sequenceWeights(tree.lengths, 'token', batch);
    const advantages = groupAdvantages(completions.map((_, i) => i % 2));
    const coefficients = lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 });
    const options = {
      temperature: 1,
      learningRate: 1e-4,
      maxGradNorm: 1,
      clipLow: 0.2,
      clipHigh: 0.2,
      klBeta: 0,
    };
    await engine.update([{ prompt, tree, coefficients }], options);
  } else {
    const requests = Array.from({ length: count }, (_, i) => ({ prompt, count: 1, key: [i] }));
    await engine.sample(requests, {
      maxTokens: length,
      temperature: 1,
      topK: 0,
      topP: 1,
      stopTokens: [],
      seed: 0,
    });
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS / 2 ** 20 }));
}

async function main(model: string, budget = '4GiB', wanted = ''): Promise<void> {
  const names = (Object.keys(JOBS) as Job['name'][]).filter((name) => name.includes(wanted));
  const rows: Row[] = names.map((name) => {
    const job = JSON.stringify({ model, budget, name });
    const printed = execFileSync(process.execPath, [...process.execArgv, process.argv[1], '--job', job], {
      encoding: 'utf8',
    });
    const { seconds, peak } = JSON.parse(printed) as { seconds: number; peak: number };
    const row = { job: name, budget, 'peak resident, GiB': peak.toFixed(2), seconds: Math.round(seconds) };
    console.error(row);
    return row;
  });
  printRows('Memory under a budget', rows);
}

const [first, second, third] = process.argv.slice(2);
if (!first) {
  console.error('expected a folder with a model, in the Hugging Face layout');
  process.exit(1);
}
await (first === '--job' ? runJob(JSON.parse(second) as Job) : main(first, second, third));
