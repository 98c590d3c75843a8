/** A real pretrained chat model against transformers and peft: `npm run test:real` makes it and runs this. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalEngine } from '../../src/engine/index.js';
import { readSafetensors, withCheckpoint, writeAdapter, writeCheckpoint } from '../../src/model/files.js';
import {
  freshAdapter,
  loadParameters,
  mergeAdapter,
  type ParameterSet,
  type Parameters,
} from '../../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../src/objective/index.js';
import { Stream } from '../../src/random/stream.js';
import { nodeBackend } from '../../src/runtime/node.js';
import { loadChatTemplate, loadTokenizer } from '../../src/text/files.js';
import type { ModelTokenizer } from '../../src/text/index.js';
import { ProcessTree } from '../../src/tree/index.js';
import { logitsOf } from '../logits.js';
import { largest, norm } from '../numbers.js';
import { runPython } from '../python.js';

const model = process.env.LAMBDA_GRPO_REAL_MODEL as string;
const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const dataset = join(import.meta.dirname, 'gsm8k-100.jsonl');
const MAX_TOKENS = 64;
const CHATS = [
  'What is 47 + 85?',
  'Write a haiku about rain.',
  'Name three prime numbers above 100.',
  'Translate to French: The cat sleeps on the red chair.',
  'Why is the sky blue? Answer in one sentence.',
  'def add(a, b):\n    return a +',
  'List the planets, one per line.',
  'Was ist die Hauptstadt von Österreich?',
  '日本の首都はどこですか？',
  'Solve for x: 3x - 7 = 20.',
  '  two  spaces,\ttabs\n\nand blank lines  ',
  'Emoji: 🙂👩‍👩‍👧 and é composed and decomposed.',
  'Give me JSON with keys a and b.',
  'Is 91 prime? Think step by step.',
  'Summarise: The quick brown fox jumps over the lazy dog.',
  'HELLO, WHO ARE YOU???',
  'What comes next: 1, 1, 2, 3, 5, 8',
  'Tell me a joke about databases.',
  '1234567890 * 987654321 =',
  'x',
];

interface Expected {
  readonly ids: readonly (readonly number[])[];
  readonly greedy: readonly (readonly number[])[];
  readonly texts: readonly string[];
}

let folder: string;
let tokenizer: ModelTokenizer;
let prompts: Int32Array[];
let parameters: Parameters;
let adapter: ParameterSet;
let expected: Expected;
let tensors: ReadonlyMap<string, { readonly data: Float32Array }>;
const lora = { r: 8, alpha: 16, dropout: 0, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj'] };
const completions = [
  ['The answer is 132.', 'The answer is 122.', 'The answer is 132.', '132', 'The sum is 132', ''],
  ['Rain on the roof', 'Rain falls', 'Rain on the river', 'Soft rain on the roof', 'Rain on the roof', 'A'],
];
const rewards = [
  [1, 0, 1, 1, 1, 0],
  [1, 0.5, 0.25, 0, 1, 0],
];

const groups = () =>
  completions.map((texts, i) => ({
    prompt: prompts[i],
    // Each ends as a chat turn does, but for the last: it has a token of its own.
    completions: texts.map((text) => Int32Array.of(...tokenizer.encode(text), tokenizer.eos[0])),
    advantages: groupAdvantages(rewards[i]),
  }));

function measured(name: string, value: string, bound: string): void {
  if (process.env.REAL_FACTS)
    appendFileSync(process.env.REAL_FACTS, `${JSON.stringify({ name, value, bound })}\n`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-real-'));
  parameters = await withCheckpoint(model, loadParameters);
  tokenizer = await loadTokenizer(model);
  const template = await loadChatTemplate(model, tokenizer.config);
  if (!template) throw new Error(`${model} has no chat template`);
  prompts = CHATS.map((content) => tokenizer.encode(template.render([{ role: 'user', content }])));
  const config = { ...parameters.config, adapter: lora };
  adapter = freshAdapter(config, 3);
  // A fresh adapter's second half is 0, and with it most of the gradient.
  const stream = new Stream('adapter');
  for (let i = 0; i < adapter.flat.length; i++) adapter.flat[i] += 0.02 * stream.normal();
  await writeAdapter(join(folder, 'adapter'), config, adapter, model);
  const problems = readFileSync(dataset, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).question as string);
  await writeFile(
    join(folder, 'request.json'),
    JSON.stringify({
      chats: CHATS,
      groups: groups().map((group) => ({
        prompt: [...group.prompt],
        completions: group.completions.map((tokens) => [...tokens]),
        advantages: [...group.advantages],
      })),
      adapter: join(folder, 'adapter'),
      problems,
      max_tokens: MAX_TOKENS,
    }),
  );
  runPython('real_reference.py', [model, join(folder, 'request.json'), folder]);
  expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'));
  ({ tensors } = (await readSafetensors(join(folder, 'expected.safetensors'))) as never);
}, 3_600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const engineOf = (): LocalEngine =>
  new LocalEngine({
    model: parameters.config,
    parameters,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    seed: 0,
    backend: nodeBackend(),
  });
const expectedTensor = (key: string): Float32Array => {
  const tensor = tensors.get(key);
  if (!tensor) throw new Error(`no ${key} among ${[...tensors.keys()].slice(-3).join(', ')}`);
  return tensor.data;
};

describe('SmolLM2-135M-Instruct', () => {
  it('20 chats become the same token ids', () => {
    expect(prompts.map((ids) => [...ids])).toEqual(expected.ids);
    measured('token ids of 20 chats', 'equal', 'equal');
  });

  it('its logits on 20 chats are those of transformers', async () => {
    const logits = await logitsOf(
      parameters.config,
      [parameters],
      prompts.map((ids) => [...ids]),
    );
    const most = Math.max(...logits.map((values, i) => largest(values, expectedTensor(`logits.${i}`))));
    measured('logits of 20 chats, largest difference', most.toExponential(1), '1e-3');
    expect(most).toBeLessThan(1e-3);
  });

  it('64 greedy tokens are the same', async () => {
    const engine = engineOf();
    const { completions: sampled } = await engine.sample(
      prompts.slice(0, 8).map((prompt, i) => ({ prompt, count: 1, key: [i] })),
      { maxTokens: 64, temperature: 0, topK: 0, topP: 1, stopTokens: [], seed: 0 },
    );
    expect(sampled.map(([{ tokens }]) => [...tokens])).toEqual(expected.greedy);
    measured('64 greedy tokens after 8 chats', 'equal', 'equal');
    await engine.dispose();
  });

  it('gradients of an adapter are autograd’s, for GRPO and λ-GRPO', async () => {
    const engine = new LocalEngine({
      model: { ...parameters.config, adapter: lora },
      parameters,
      adapter,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 0,
      backend: nodeBackend(),
    });
    const trees = groups().map(({ completions: tokens, ...rest }) => ({
      ...rest,
      tree: ProcessTree.build(tokens),
    }));
    const totals = {
      tokens: trees.reduce((sum, { tree }) => sum + tree.tokenCount, 0),
      sequences: trees.reduce((sum, { tree }) => sum + tree.groupSize, 0),
      maxTokens: 64,
    };
    for (const [method, lambdaExponent] of [
      ['grpo', 0],
      ['lambda-grpo', 1],
    ] as const) {
      const batch = trees.map(({ prompt, tree, advantages }) => ({
        prompt,
        tree,
        coefficients: lossCoefficients(tree, advantages, sequenceWeights(tree.lengths, 'token', totals), {
          lambdaExponent,
        }),
      }));
      const { gradients } = await engine.gradients(batch, {
        temperature: 1,
        learningRate: 0,
        maxGradNorm: null,
        clipLow: 0.2,
        clipHigh: 0.2,
        klBeta: 0,
      });
      let most = 0;
      adapter.specs.forEach(({ name }, i) => {
        const key = [...tensors.keys()].find(
          (known) =>
            known.startsWith(`${method}.grad.`) && known.replace('.default.', '.').endsWith(peftName(name)),
        );
        const reference = expectedTensor(key ?? `${method}.grad.${peftName(name)}`);
        most = Math.max(most, largest(gradients[i], reference) / norm(reference));
      });
      measured(
        `gradient of ${adapter.specs.length} matrices of an adapter, ${method}, largest relative difference`,
        most.toExponential(1),
        '1e-3',
      );
      expect(most).toBeLessThan(1e-3);
    }
    await engine.dispose();
  });

  it('eval writes the texts of transformers for 100 problems of GSM8K', async () => {
    const out = join(folder, 'records.jsonl');
    execFileSync(
      process.execPath,
      [cli, 'eval', model, '--dataset', dataset, '--max-tokens', String(MAX_TOKENS), '--out', out],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const records = (await readFile(out, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).completions[0].text as string);
    const different = records.filter((text, i) => text !== expected.texts[i]).length;
    measured(`greedy texts of 100 problems, ${MAX_TOKENS} tokens each, that differ`, String(different), '0');
    expect(records).toEqual(expected.texts);
  });

  it('an export loads in peft and transformers, and is what we computed with', async () => {
    const config = { ...parameters.config, adapter: lora };
    const merged = parameters.clone();
    mergeAdapter(merged, config, adapter);
    for (const dtype of ['F32', 'BF16'] as const) {
      await writeCheckpoint(join(folder, dtype), merged, { dtype });
    }
    const loaded = JSON.parse(
      runPython('check_real_export.py', [
        model,
        join(folder, 'adapter'),
        join(folder, 'F32'),
        join(folder, 'BF16'),
        join(folder, 'request.json'),
        join(folder, 'logits.safetensors'),
      ]),
    ) as { adapter: number; modules: number };
    expect(loaded.modules).toBe(adapter.specs.length);
    const { tensors: read } = await readSafetensors(join(folder, 'logits.safetensors'));
    const ours = await logitsOf(config, [parameters, adapter], [[...prompts[0]]]);
    const gap = (name: string): number => largest(ours[0], (read.get(name) as { data: Float32Array }).data);
    const [peft, f32, bf16] = ['adapter', 'F32', 'BF16'].map(gap);
    measured('exported adapter in peft, logits', peft.toExponential(1), '1e-3');
    measured('merged export in F32 in transformers, logits', f32.toExponential(1), '1e-3');
    measured('merged export in BF16: rounding of the weights moves logits by', bf16.toExponential(1), 'told');
    expect(peft).toBeLessThan(1e-3);
    expect(f32).toBeLessThan(1e-3);
    expect(bf16).toBeLessThan(2);
  });
});

/** End of the name that peft has for a matrix of ours. */
function peftName(name: string): string {
  return name.replace(/^model\./, '');
}
