/**
 * One LoRA update and decoding of a model of half a billion parameters (the shape of Qwen2.5-0.5B, random weights): tokens
 * a second and peak resident memory, each in a process of its own. `npx tsx bench/model.bench.ts` writes docs/results/model.md.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalEngine } from '../src/engine/index.js';
import { type ModelConfig, readModelConfig } from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { ProcessTree } from '../src/tree/index.js';

/** Qwen2.5-0.5B's config.json. */
const QWEN = {
  model_type: 'qwen2',
  vocab_size: 151_936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  max_position_embeddings: 32_768,
  rope_theta: 1_000_000,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
};
const [K, PROMPT, SHARED, LENGTH] = [6, 32, 16, 64];

interface Figures {
  readonly parameters: number;
  readonly trained: number;
  readonly tokens: number;
  readonly computed: number;
  readonly seconds: readonly number[];
  readonly peak: number;
}

async function measure(what: 'update' | 'decode'): Promise<Figures> {
  const plain = readModelConfig(QWEN, 'Qwen2.5-0.5B');
  const model: ModelConfig =
    what === 'update'
      ? { ...plain, adapter: { r: 64, alpha: 128, dropout: 0, targets: 'all-linear' } }
      : plain;
  const engine = new LocalEngine({
    model,
    optimizer: { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    seed: 0,
  });
  const prompt = Int32Array.from({ length: PROMPT }, (_, t) => 1000 + t);
  const seconds: number[] = [];
  let [tokens, computed] = [0, 0];
  if (what === 'update') {
    const completions = Array.from({ length: K }, (_, i) =>
      Int32Array.from({ length: LENGTH }, (__, t) => (t < SHARED ? 100 + t : 1000 * (i + 1) + t)),
    );
    const tree = ProcessTree.build(completions);
    const weights = sequenceWeights(tree.lengths, 'token', {
      tokens: tree.tokenCount,
      sequences: K,
      maxTokens: LENGTH,
    });
    const advantages = groupAdvantages(completions.map((_, i) => i % 2));
    const coefficients = lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 });
    for (let i = 0; i < 4; i++) {
      const started = performance.now();
      const result = await engine.update([{ prompt, tree, coefficients }], {
        temperature: 1,
        learningRate: 1e-6,
        maxGradNorm: 1,
        clipLow: 0.2,
        clipHigh: 0.2,
        klBeta: 0,
      });
      seconds.push((performance.now() - started) / 1000);
      [tokens, computed] = [tree.tokenCount + K * PROMPT, result.treeTokens];
    }
  } else {
    for (let i = 0; i < 4; i++) {
      const started = performance.now();
      const { statistics } = await engine.sample([{ prompt, count: K, key: [i] }], {
        maxTokens: 32,
        temperature: 1,
        topK: 0,
        topP: 1,
        stopTokens: [],
        seed: 0,
      });
      seconds.push((performance.now() - started) / 1000);
      [tokens, computed] = [statistics.sampledTokens, statistics.decodedTokens];
    }
  }
  return {
    parameters: engine.parameters.flat.length,
    trained: what === 'update' ? engine.trainable.flat.length : 0,
    tokens,
    computed,
    // The first one compiles.
    seconds: seconds.slice(1),
    peak: process.resourceUsage().maxRSS / 1024 ** 2,
  };
}

const asked = process.argv[2];
if (asked === 'update' || asked === 'decode') {
  console.log(JSON.stringify(await measure(asked)));
} else {
  const file = fileURLToPath(import.meta.url);
  const median = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const rows = (['update', 'decode'] as const).map((what) => {
    const out = execFileSync(process.execPath, ['--import', 'tsx', file, what], {
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    const of = JSON.parse(out.trim().split('\n').at(-1) as string) as Figures;
    const time = median(of.seconds);
    const name =
      what === 'update'
        ? `LoRA update, r 64 on all linear maps (${(of.trained / 1e6).toFixed(1)} M trained)`
        : 'decoding';
    return `| ${name} | ${of.tokens} | ${of.computed} | ${time.toFixed(2)} | ${(of.tokens / time).toFixed(1)} | ${of.peak.toFixed(2)} |`;
  });
  const text = `# A model of half a billion parameters

Qwen2.5-0.5B's shape (24 layers × 896, 14 heads on 2 of keys and values, vocabulary 151,936, tied head: 494 M parameters,
1.84 GiB as float32), random weights, no gradient checkpointing. Update: ${K} completions of ${LENGTH} tokens that share their first ${SHARED}, a prompt of ${PROMPT};
decoding: ${K} samples of 32 tokens after it. Median of three after the first, each row a process of its own.

| what | tokens of all sequences | tokens computed | seconds | tokens of sequences a second | peak resident memory, GiB |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

\`npx tsx bench/model.bench.ts\`, ${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${(totalmem() / 1024 ** 3).toFixed(0)} GiB, Node.js ${process.version}.
`;
  writeFileSync(join(file, '../../docs/results/model.md'), text);
  console.log(text);
}
