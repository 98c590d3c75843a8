/**
 * The losses on the packed tree against PyTorch's autograd over k separate sequences, off-policy, with the formulas of
 * the papers (scripts/python/make_loss_fixtures.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LocalEngine } from '../src/engine/index.js';
import { readSafetensors, withCheckpoint } from '../src/model/files.js';
import { loadParameters } from '../src/model/index.js';
import type { Group } from '../src/rollouts/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { trainExamples } from '../src/train/batch.js';
import { resolveConfig } from '../src/train/index.js';
import { scoreGroup } from '../src/train/scored-groups.js';
import { type ProcessTree, packedIndices, packTree } from '../src/tree/index.js';

const models = join(import.meta.dirname, 'models');

interface Case {
  readonly form: 'ppo' | 'cispo' | 'gspo';
  readonly normalisation: string;
  readonly exponent: number;
  readonly bound?: number;
  readonly kl?: boolean;
  readonly entropy?: boolean;
  readonly masked?: readonly number[];
  readonly tokens_masked?: readonly number[];
  readonly loss: number;
  readonly norm: number;
}
const { settings, kept, cases } = JSON.parse(readFileSync(join(models, 'losses', 'cases.json'), 'utf8')) as {
  settings: Record<'beta' | 'clip_low' | 'clip_high' | 'entropy' | 'max_tokens', number>;
  kept: readonly string[];
  cases: Record<string, Case>;
};
const groups = JSON.parse(readFileSync(join(models, 'groups.json'), 'utf8')) as {
  prompt: number[];
  completions: number[][];
  rewards: number[];
};

/** Values of each completion's tokens, one after the other, as one for each tree token. */
function onTree(tree: ProcessTree, values: Float32Array): Float32Array {
  const out = new Float32Array(tree.distinctTokenCount).fill(Number.NaN);
  const packed = packTree(tree, new Int32Array());
  let at = 0;
  for (let i = 0; i < tree.groupSize; i++) {
    packedIndices(tree, packed, i).forEach((token, t) => {
      out[token] = values[at + t];
    });
    at += tree.lengths[i];
  }
  return out;
}

describe.each(Object.entries(cases))('%s', (name, fixture) => {
  it('has the loss and the gradient of separate sequences', async () => {
    const parameters = await withCheckpoint(join(models, 'qwen2'), loadParameters);
    const { tensors } = await readSafetensors(join(models, 'losses', 'expected.safetensors'));
    const data = (key: string): Float32Array => tensors.get(key)?.data as Float32Array;
    const engine = new LocalEngine({
      model: parameters.config,
      parameters,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 0,
      backend: nodeBackend(),
      threads: 1,
      rowLength: 8,
    });
    const { objective } = resolveConfig({
      task: { name: 'binary-tree' },
      method: fixture.exponent === 0 ? 'grpo' : 'lambda-grpo',
      objective: {
        loss: fixture.form === 'ppo' ? 'dapo' : fixture.form,
        normalisation: fixture.normalisation,
        truncated: fixture.masked ? 'mask' : 'train',
      },
    });
    const group: Group = {
      id: 'g',
      step: 1,
      prompt: { tokens: Int32Array.from(groups.prompt) },
      completions: groups.completions.map((tokens, i) => ({
        tokens: Int32Array.from(tokens),
        reward: groups.rewards[i],
        stop: fixture.masked?.includes(i) ? 'length' : 'stop',
        ...(fixture.tokens_masked
          ? { mask: Uint8Array.from(tokens, (_, t) => Number(!fixture.tokens_masked?.includes(t))) }
          : {}),
      })),
      tokens: 'exact',
      groups: 'explicit',
    };
    const scored = scoreGroup(group, objective);
    const [example] = trainExamples([scored], objective, settings.max_tokens);
    const result = await engine.gradients(
      [
        {
          ...example,
          oldLogprobs: onTree(scored.tree, data('old')),
          referenceLogprobs: fixture.kl ? onTree(scored.tree, data('reference')) : undefined,
        },
      ],
      {
        temperature: 1,
        learningRate: 0,
        maxGradNorm: null,
        clipLow: settings.clip_low,
        clipHigh: settings.clip_high,
        clipBound: fixture.bound,
        form: fixture.form,
        klBeta: fixture.kl ? settings.beta : 0,
        entropyBonus: fixture.entropy ? settings.entropy : 0,
      },
    );
    expect(result.loss).toBeCloseTo(fixture.loss, 5);
    expect(Math.abs(result.gradNorm / fixture.norm - 1)).toBeLessThan(1e-3);
    for (const key of kept) {
      const expected = data(`${name}.${key}`);
      const gradient = result.gradients[parameters.specs.findIndex((spec) => spec.name === key)];
      const scale = Math.sqrt(expected.reduce((n, x) => n + x * x, 0));
      for (let i = 0; i < expected.length; i++) {
        expect(Math.abs(gradient[i] - expected[i]), `${key} ${i}`).toBeLessThan(1e-3 * scale);
      }
    }
    await engine.dispose();
  });
});
