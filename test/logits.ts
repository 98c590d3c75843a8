/** Logits of a model for one plain sequence, for comparison with transformers'. */
import * as g from '../src/graph/index.js';
import { treeAttention } from '../src/model/attention.js';
import type { ForestBatch, WeightBatch } from '../src/model/batches.js';
import { hiddenStates, nextTokenLogits, parameterInputs } from '../src/model/decoder.js';
import type { ModelConfig, ParameterSet } from '../src/model/index.js';
import { Program } from '../src/runtime/index.js';
import { nodeBackend } from '../src/runtime/node.js';

/**
 * @param sets the model's weights, and the adapter's where there is one
 * @returns [sequences][n · V]
 */
export async function logitsOf(
  config: ModelConfig,
  sets: readonly ParameterSet[],
  sequences: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const scope = new g.InputList<ForestBatch & WeightBatch>();
  const weights = parameterInputs(scope, config);
  const tokens = scope.input('tokens', 'int32', ['B*L'], (batch) => batch.tokens);
  const positions = scope.input('positions', 'int32', ['B*L'], (batch) => batch.positions);
  const hidden = hiddenStates(weights, config, tokens, positions, treeAttention(scope, config, 'none'));
  const program = await Program.compile(
    nodeBackend(),
    {
      inputs: scope.inputs,
      outputs: { logits: nextTokenLogits(weights, config, hidden) },
      sizes: (batch: ForestBatch) => ({ B: batch.rows, L: batch.length }),
      read: (values) => values('logits').slice(),
    },
    { threads: 1 },
  );
  const results: Float32Array[] = [];
  for (const sequence of sequences) {
    const length = sequence.length;
    const places = Int32Array.from({ length }, (_, t) => t);
    results.push(
      await program.run({
        rows: 1,
        chunkRows: 1,
        length,
        contextLength: 0,
        tokens: Int32Array.from(sequence),
        positions: places,
        index: places,
        subtreeEnd: new Int32Array(length).fill(length),
        context: new Int32Array(0),
        contextEnd: new Int32Array(0),
        weights: (name) => {
          const set = sets.find(({ views }) => views.has(name));
          if (!set) throw new Error(`no weights are named '${name}'`);
          return set.views.get(name) as Float32Array;
        },
      }),
    );
  }
  await program.dispose();
  return results;
}
