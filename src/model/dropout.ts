/**
 * Dropout on the input of an adapter. The mask is computed from the seed of the update, the module, the token and the
 * channel, so that an update can be repeated. A token of a packed tree has one mask for all completions that share it.
 */
import * as g from '../graph/index.js';
import type { UpdateBatch } from './batches.js';

/** Constants that spread the arguments of the sine far apart. */
const [TOKEN, CHANNEL, MODULE, SPREAD] = [12.9898, 78.233, 37.719, 43758.5453];

/** @returns a function that drops a share p of x [N, D] and scales the rest; N are the tokens of a forest */
export function dropoutOf(
  scope: g.InputScope<Pick<UpdateBatch, 'dropoutSeed' | 'dropoutIndex'>>,
  p: number,
  tokens: g.Dim,
): (x: g.Tensor, module: string) => g.Tensor {
  const { graph } = scope;
  const seed = scope.input('dropout_seed', 'float32', [], (batch) => Float32Array.of(batch.dropoutSeed));
  const index = scope.input('dropout_index', 'int32', [tokens], (batch) => batch.dropoutIndex);
  const rows = g.mul(g.reshape(g.cast(index, 'float32'), [tokens, 1]), TOKEN);
  const modules = new Map<string, number>();
  return (x, module) => {
    if (!modules.has(module)) modules.set(module, modules.size + 1);
    const width = x.shape[1] as number;
    const channels = graph.constant(
      Float32Array.from({ length: width }, (_, j) => Math.fround((j + 1) * CHANNEL) % 1000),
      [1, width],
    );
    const place = g.add(g.add(rows, channels), g.add(seed, (modules.get(module) as number) * MODULE));
    const large = g.mul(g.sin(place), SPREAD);
    const uniform = g.sub(large, g.floor(large));
    return g.mul(x, g.where(g.less(uniform, graph.scalar(p)), 0, 1 / (1 - p)));
  };
}
