/**
 * LoRA adapters in a graph. Linear layers with the same input (queries, keys and values) share one combined adapter:
 * their A matrices are stacked and their B matrices form blocks, so that a layer has a few large products instead of
 * many small ones. Files and the optimizer use the separate adapters.
 */
import type { WeightBatch } from './batches.js';
import type { ModelConfig } from './config.js';
import { adaptedModules, loraName } from './lora.js';
import { type LinearModule, layerModules } from './modules.js';

/** A weight composed of several. */
export interface StackedWeight {
  readonly name: string;
  readonly shape: readonly [number, number];
  /** Its values for a batch. */
  readonly values: (batch: WeightBatch) => Float32Array;
  /** Splits its gradient into those of the single weights, by name. */
  readonly parts: (gradient: Float32Array) => readonly (readonly [string, Float32Array])[];
}

export interface AdapterStack {
  /** Linear maps with the same input, with or without an adapter, whose outputs are concatenated. */
  readonly outputs: readonly LinearModule[];
  readonly adapted: readonly LinearModule[];
  /** [adapted·r, in] */
  readonly a: StackedWeight;
  /** [Σ out, adapted·r]: one block for each adapted map, 0 elsewhere. */
  readonly b: StackedWeight;
}

/** By the name of the first map of a stack. */
export function adapterStacks(config: ModelConfig): ReadonlyMap<string, AdapterStack> {
  const { adapter } = config;
  if (!adapter) return new Map();
  const adapted = new Set(adaptedModules(config, adapter).map(({ name }) => name));
  const stacks = new Map<string, AdapterStack>();
  for (let layer = 0; layer < config.layers; layer++) {
    const { qkv, output, up, down } = layerModules(config, layer);
    for (const outputs of [qkv, [output], ...up.map((module) => [module]), [down]]) {
      const chosen = outputs.filter(({ name }) => adapted.has(name));
      if (chosen.length > 0) stacks.set(outputs[0].name, stack(outputs, chosen, adapter.r));
    }
  }
  return stacks;
}

function stack(outputs: readonly LinearModule[], adapted: readonly LinearModule[], r: number): AdapterStack {
  const names = (part: 'A' | 'B'): string[] => adapted.map(({ name }) => loraName(name, part));
  const label = (part: 'A' | 'B'): string => names(part).join('+');
  const height = outputs.reduce((n, { out }) => n + out, 0);
  const [width, { in: input }] = [adapted.length * r, outputs[0]];
  const shapes = { a: [width, input], b: [height, width] } as const;
  if (outputs.length === 1) {
    const single = (part: 'A' | 'B', shape: readonly [number, number]): StackedWeight => {
      const [name] = names(part);
      return { name, shape, values: ({ weights }) => weights(name), parts: (all) => [[name, all]] };
    };
    return { outputs, adapted, a: single('A', shapes.a), b: single('B', shapes.b) };
  }
  /** Row of B at which a map's outputs begin. */
  const firstRow = new Map<string, number>();
  let row = 0;
  for (const { name, out } of outputs) {
    firstRow.set(name, row);
    row += out;
  }
  /** Calls back for each row of a map's block, with its positions in the block and in the stack. */
  const eachRow = (j: number, visit: (single: number, stacked: number) => void): void => {
    const { name, out } = adapted[j];
    for (let o = 0; o < out; o++) visit(o * r, ((firstRow.get(name) as number) + o) * width + j * r);
  };
  const a: StackedWeight = {
    name: label('A'),
    shape: shapes.a,
    values: once(({ weights }) => {
      const all = new Float32Array(width * input);
      names('A').forEach((name, j) => {
        all.set(weights(name), j * r * input);
      });
      return all;
    }),
    parts: (all) => names('A').map((name, j) => [name, all.subarray(j * r * input, (j + 1) * r * input)]),
  };
  const b: StackedWeight = {
    name: label('B'),
    shape: shapes.b,
    values: once(({ weights }) => {
      const all = new Float32Array(height * width);
      names('B').forEach((name, j) => {
        const values = weights(name);
        eachRow(j, (single, stacked) => {
          for (let i = 0; i < r; i++) all[stacked + i] = values[single + i];
        });
      });
      return all;
    }),
    parts: (all) =>
      names('B').map((name, j) => {
        const values = new Float32Array(adapted[j].out * r);
        eachRow(j, (single, stacked) => {
          for (let i = 0; i < r; i++) values[single + i] = all[stacked + i];
        });
        return [name, values];
      }),
  };
  return { outputs, adapted, a, b };
}

/** Caches the stacked values of a batch's weights, because a decoder asks for them with every token. */
function once(values: (batch: WeightBatch) => Float32Array): (batch: WeightBatch) => Float32Array {
  const known = new WeakMap<WeightBatch['weights'], Float32Array>();
  return (batch) => {
    const before = known.get(batch.weights) ?? values(batch);
    known.set(batch.weights, before);
    return before;
  };
}
