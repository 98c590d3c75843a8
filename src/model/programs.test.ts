/** The number of operations per layer: the time for creating a session grows with the square of it. */
import { describe, expect, it } from 'vitest';
import { smallLlama } from '../../test/small-llama.js';
import { compileModel, fuse, type ProgramDefinition } from '../graph/index.js';
import type { ContextReading } from './attention.js';
import type { LoraConfig, ModelConfig } from './config.js';
import { blockDecodeProgram, scoreProgram, slotDecodeProgram, updateProgram } from './programs.js';

/** A small model of Llama's shape: grouped heads, rotary positions, no biases. */
const llama: ModelConfig = {
  vocabularySize: 9,
  contextLength: 32,
  width: 12,
  layers: 2,
  heads: 6,
  architecture: smallLlama(4, 16),
};
const gpt2: ModelConfig = { vocabularySize: 9, contextLength: 32, width: 12, layers: 2, heads: 3 };
const lora = (targets: LoraConfig['targets']): LoraConfig => ({ r: 2, alpha: 4, dropout: 0, targets });
const attention = lora(['q_proj', 'k_proj', 'v_proj', 'o_proj']);

const update = (config: ModelConfig, context: ContextReading = 'at once', checkpointing = false) =>
  updateProgram(config, {
    context,
    chunks: 1,
    checkpointing,
    clipped: false,
    kl: false,
    form: 'ppo',
    entropy: false,
    corrected: false,
  });

/** Operations that one more layer adds. */
function operationsOfLayer(define: (layers: number) => ProgramDefinition<never, unknown>): number {
  const count = (layers: number): number => compileModel(fuse(define(layers).outputs)).nodeCount;
  expect(count(5) - count(4)).toBe(count(4) - count(3));
  return count(4) - count(3);
}

describe('operations of one layer', () => {
  it.each([
    ['an update of an adapter of queries, keys, values and outputs', { ...llama, adapter: attention }, 96],
    ['an update of an adapter of all maps', { ...llama, adapter: lora('all-linear') }, 115],
    ['an update of all weights', llama, 96],
    ["an update of GPT-2's weights", gpt2, 107],
  ])('%s', (_, config, most) => {
    expect(operationsOfLayer((layers) => update({ ...config, layers }))).toBeLessThanOrEqual(most);
  });

  it('an update that computes layers again adds those that the gradient reads', () => {
    const config = { ...llama, adapter: attention };
    const again = operationsOfLayer((layers) => update({ ...config, layers }, 'at once', true));
    expect(again).toBeLessThanOrEqual(145);
  });

  it('an update with attention in chunks, however many', () => {
    const config = { ...llama, adapter: attention };
    expect(operationsOfLayer((layers) => update({ ...config, layers }, 'in chunks'))).toBeLessThanOrEqual(
      158,
    );
    const again = operationsOfLayer((layers) => update({ ...config, layers }, 'in chunks', true));
    expect(again).toBeLessThanOrEqual(230);
  });

  it('scoring and decoding', () => {
    const config = { ...llama, adapter: attention };
    expect(
      operationsOfLayer((layers) => scoreProgram({ ...config, layers }, { context: 'at once', chunks: 1 })),
    ).toBeLessThanOrEqual(34);
    expect(operationsOfLayer((layers) => slotDecodeProgram({ ...config, layers }))).toBeLessThanOrEqual(39);
    // Four operations for the sum of exponentials of a set of slots, because the one that exists is many times slower.
    expect(operationsOfLayer((layers) => blockDecodeProgram({ ...config, layers }))).toBeLessThanOrEqual(61);
  });

  it('decoding with shared prompts', () => {
    const config = { ...llama, adapter: attention };
    expect(operationsOfLayer((layers) => slotDecodeProgram({ ...config, layers }, true))).toBeLessThanOrEqual(
      53,
    );
    expect(
      operationsOfLayer((layers) => blockDecodeProgram({ ...config, layers }, true)),
    ).toBeLessThanOrEqual(78);
  });
});
