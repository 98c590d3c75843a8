/**
 * The head in chunks: logits of a few rows at a time, so that memory does not grow with tokens × vocabulary. A chunk
 * starts after the previous one is finished. Each chunk computes its part of the loss and of the gradient. GSPO's
 * sequences span chunks: there all log-probabilities are computed first, and each chunk is recomputed for its gradient.
 */
import * as g from '../graph/index.js';
import type { HeadBatch } from './batches.js';
import type { ModelConfig } from './config.js';
import { type Distribution, distribution, logProbabilities, type ParameterTensors } from './decoder.js';
import { headModule, modelModules } from './modules.js';

/** ln π of a chunk's edges, [E.i], and entropies (nats) of its rows, [M.i]. */
export interface HeadValues {
  readonly logprobs: g.Tensor;
  readonly entropies: g.Tensor;
}

/** Computes the head for rows of hidden states, chunk by chunk. */
export class Head {
  /** Hidden states of each chunk's rows, [M.i, D]. */
  readonly rows: readonly g.Tensor[];
  private readonly edges: readonly g.Tensor[];
  private readonly distribution: Distribution;

  /** @param hidden [N, D] */
  constructor(
    scope: g.InputScope<HeadBatch>,
    private readonly weights: ParameterTensors,
    private readonly config: ModelConfig,
    hidden: g.Tensor,
    chunks: number,
  ) {
    const each = Array.from({ length: chunks }, (_, i) => i);
    this.rows = each.map((i) =>
      g.gatherDistinct(
        hidden,
        scope.input(`head_rows.${i}`, 'int32', [`M.${i}`], ({ chunks }) => chunks[i].headRows),
      ),
    );
    this.edges = each.map((i) =>
      scope.input(`edges.${i}`, 'int64', [`E.${i}`, 2], ({ chunks }) => chunks[i].pairs),
    );
    this.distribution = distribution(scope, config);
  }

  get chunks(): number {
    return this.rows.length;
  }

  /** Values of chunk i, computed from its rows: from `rows`, or from the same rows with a dependency. */
  evaluate(i: number, rows: g.Tensor): HeadValues {
    const logprobs = logProbabilities(this.weights, this.config, rows, this.distribution);
    return {
      logprobs: g.gatherND(logprobs, this.edges[i]),
      // −Σ p ln p
      entropies: g.neg(g.reduceSum(g.mul(g.exp(logprobs), logprobs), [1])),
    };
  }

  /** Values of all chunks, one after another. */
  values(): HeadValues[] {
    const values: HeadValues[] = [];
    this.rows.forEach((rows, i) => {
      const before = values.slice(-1).flatMap(({ logprobs, entropies }) => [logprobs, entropies]);
      values.push(this.evaluate(i, g.after(rows, ...before)));
    });
    return values;
  }
}

/** Concatenates the values of several chunks. */
export function joined(values: readonly HeadValues[]): HeadValues {
  const all = (parts: readonly g.Tensor[], size: string): g.Tensor => {
    const whole = g.concat(parts, 0, size);
    whole.graph.defineSymbol(size, whole, 0);
    return whole;
  };
  return {
    logprobs: all(
      values.map(({ logprobs }) => logprobs),
      'E',
    ),
    entropies: all(
      values.map(({ entropies }) => entropies),
      'M',
    ),
  };
}

export interface HeadGradients {
  /** Scalar. */
  readonly loss: g.Tensor;
  readonly values: HeadValues;
  /** Gradient of each chunk's rows, [M.i, D]. */
  readonly rows: readonly g.Tensor[];
  /** Gradients of the head's own weights among the trained ones, by name. */
  readonly weights: ReadonlyMap<string, g.Tensor>;
}

/** Values of one chunk. */
export interface ChunkValues extends HeadValues {
  readonly chunk: number;
}

/** −J of the edges of the given chunks. */
export type LossOf = (values: readonly ChunkValues[]) => g.Tensor;

/**
 * Loss and gradients of everything above the layers.
 * @param trained names of trained weights
 * @param separable whether the loss of all chunks is the sum of theirs
 */
export function headGradients(
  head: Head,
  weights: ParameterTensors,
  config: ModelConfig,
  trained: readonly string[],
  lossOf: LossOf,
  separable: boolean,
): HeadGradients {
  const { finalNorm } = modelModules(config);
  const headNames = [`${headModule(config).name}.weight`, `${finalNorm}.weight`, `${finalNorm}.bias`].filter(
    (name) => trained.includes(name),
  );
  const gradients: g.Tensor[] = [];
  const sums = new Map<string, g.Tensor>();
  /** The rows of a chunk, available after the previous chunk is finished. */
  const waiting = (rows: g.Tensor): g.Tensor => g.after(rows, ...gradients.slice(-1));
  const back = (
    rows: g.Tensor,
    values: HeadValues,
    seeds: readonly (readonly [g.Tensor, g.Tensor])[],
  ): void => {
    const [ofRows, ...ofOwn] = g.backward(seeds, [
      rows,
      ...headNames.map((name) => weights.get(name) as g.Tensor),
    ]);
    headNames.forEach((name, k) => {
      const gradient = ofOwn[k] as g.Tensor;
      const before = sums.get(name);
      sums.set(name, before ? g.add(before, gradient) : gradient);
    });
    // Tensors that depend on this one are computed after the chunk's distribution was read for the last time.
    gradients.push(g.after(ofRows as g.Tensor, values.entropies, ...sums.values()));
  };

  if (separable || head.chunks === 1) {
    const values: HeadValues[] = [];
    let total: g.Tensor | null = null;
    for (const [chunk, kept] of head.rows.entries()) {
      const rows = g.stopGradient(waiting(kept));
      const evaluated = head.evaluate(chunk, rows);
      const loss = lossOf([{ chunk, ...evaluated }]);
      values.push(evaluated);
      total = total ? g.add(total, loss) : loss;
      back(rows, evaluated, [[loss, loss.graph.scalar(1)]]);
    }
    return { loss: total as g.Tensor, values: joined(values), rows: gradients, weights: sums };
  }
  const first = head.values();
  const loss = lossOf(first.map((evaluated, chunk) => ({ chunk, ...evaluated })));
  const arrived = g.backward(
    [[loss, loss.graph.scalar(1)]],
    first.flatMap(({ logprobs, entropies }) => [logprobs, entropies]),
  );
  for (const [chunk, kept] of head.rows.entries()) {
    const rows = g.stopGradient(g.after(waiting(kept), arrived[0] as g.Tensor));
    const again = head.evaluate(chunk, rows);
    back(
      rows,
      again,
      [again.logprobs, again.entropies].flatMap((value, i) => {
        const gradient = arrived[2 * chunk + i];
        return gradient ? [[value, gradient] as const] : [];
      }),
    );
  }
  return { loss, values: joined(first), rows: gradients, weights: sums };
}
