/**
 * The peer of the packed tree: k sequences padded to one length, dense causal attention, losses written as in
 * the paper (§2) token by token. Shares the decoder's layers with the product and nothing else: no tree, no
 * (A⁺, A⁻), no edges.
 */
import * as g from '../graph/index.js';
import { hiddenStates, logProbabilities, parameterInputs } from '../model/decoder.js';
import type { ModelConfig, Parameters } from '../model/index.js';
import { type Feed, Program } from '../runtime/index.js';

export type LossForm = 'grpo' | 'clipped' | 'gspo';

export interface PaddedBatch {
  readonly prompt: Int32Array;
  readonly completions: readonly Int32Array[];
  /** Advantage of each token, [k][|g|]: aᵢ for GRPO, Â(λ) for the PRM objective. */
  readonly advantages: readonly ArrayLike<number>[];
  /** Factor of each token's whole term, [k][|g|]: normalisation, and 1/|λ| for λ-GRPO. */
  readonly weights: readonly ArrayLike<number>[];
  readonly oldLogprobs?: readonly ArrayLike<number>[];
  readonly referenceLogprobs?: readonly ArrayLike<number>[];
  readonly klBeta?: number;
  readonly clipLow?: number;
  readonly clipHigh?: number;
}

export interface PaddedResult {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** ln π of each completion token, [k][|g|]. */
  readonly logprobs: readonly Float32Array[];
}

const programs = new Map<string, Promise<Program>>();

function build(config: ModelConfig, form: LossForm): Record<string, g.Tensor> {
  const graph = new g.Graph();
  const weights = parameterInputs(graph, config);
  const grid = graph.input('grid', 'float32', ['K', 'T', 1]);
  const head = config.width / config.heads;
  const times = graph.input('times', 'int32', ['T']);
  const causal = g.where(
    g.lessOrEqual(g.reshape(times, [1, 'T']), g.reshape(times, ['T', 1])),
    graph.scalar(0),
    graph.scalar(-1e9),
  );
  const heads = (x: g.Tensor): g.Tensor =>
    g.transpose(g.reshape(x, ['K', 'T', config.heads, head]), [0, 2, 1, 3]);
  const attend = (_: number, q: g.Tensor, k: g.Tensor, v: g.Tensor): g.Tensor => {
    const scores = g.mul(g.matmul(heads(q), g.transpose(heads(k), [0, 1, 3, 2])), 1 / Math.sqrt(head));
    const mixed = g.matmul(g.softmax(g.add(scores, causal)), heads(v));
    return g.reshape(g.transpose(mixed, [0, 2, 1, 3]), ['K*T', config.width]);
  };
  const tokens = graph.input('tokens', 'int32', ['K*T']);
  const positions = graph.input('positions', 'int32', ['K*T']);
  const hidden = hiddenStates(weights, config, tokens, positions, attend);
  const bias = graph.input('logit_bias', 'float32', [config.vocabularySize]);
  const distribution = logProbabilities(weights, config, hidden, graph.scalar(1), bias);
  const logprobs = g.reshape(g.gatherND(distribution, graph.input('targets', 'int64', ['K*T', 2])), [
    'K',
    'T',
    1,
  ]);
  const advantage = graph.input('advantage', 'float32', ['K', 'T', 1]);
  const weight = graph.input('weight', 'float32', ['K', 'T', 1]);
  const old = graph.input('old', 'float32', ['K', 'T', 1]);
  const reference = graph.input('reference', 'float32', ['K', 'T', 1]);
  const [low, high, beta] = ['low', 'high', 'beta'].map((name) => graph.input(name, 'float32', []));
  let policy: g.Tensor;
  if (form === 'gspo') {
    const share = graph.input('share', 'float32', ['K', 'T', 1]);
    const mean = g.reduceSum(g.mul(share, g.sub(logprobs, old)), [1], true);
    policy = g.mul(g.exp(mean), advantage);
  } else {
    const ratio = g.exp(g.sub(logprobs, old));
    const plain = g.mul(ratio, advantage);
    const clipped = g.mul(g.minimum(g.maximum(ratio, g.sub(1, low)), g.add(high, 1)), advantage);
    policy = form === 'clipped' ? g.minimum(plain, clipped) : plain;
  }
  const d = g.sub(reference, logprobs);
  const k3 = g.sub(g.sub(g.exp(d), d), 1);
  // grid is 1 on real tokens: padding has no term, whatever the other inputs say.
  const terms = g.mul(g.mul(grid, weight), g.sub(policy, g.mul(beta, k3)));
  const loss = g.neg(g.sumAll(terms));
  const names = [...weights.keys()];
  const gradients = g.gradients(loss, [...weights.values()]);
  return { loss, logprobs, ...Object.fromEntries(names.map((name, i) => [`grad:${name}`, gradients[i]])) };
}

/** Loss, gradients and log-probabilities of k padded sequences. */
export async function paddedUpdate(
  parameters: Parameters,
  form: LossForm,
  batch: PaddedBatch,
): Promise<PaddedResult> {
  const { config } = parameters;
  const key = `${form} ${JSON.stringify(config)}`;
  if (!programs.has(key)) programs.set(key, Program.compile(build(config, form)));
  const program = (await programs.get(key)) as Program;
  const k = batch.completions.length;
  const p = batch.prompt.length;
  const t = p + Math.max(...batch.completions.map((c) => c.length));
  const tokens = new Int32Array(k * t);
  const positions = Int32Array.from({ length: k * t }, (_, i) => i % t);
  const targets = new BigInt64Array(2 * k * t);
  const spread = (rows: readonly ArrayLike<number>[] | undefined, fill = 0): Float32Array => {
    const out = new Float32Array(k * t).fill(fill);
    rows?.forEach((row, i) => {
      for (let j = 0; j < row.length; j++) out[i * t + p - 1 + j] = row[j];
    });
    return out;
  };
  batch.completions.forEach((completion, i) => {
    tokens.set(batch.prompt, i * t);
    tokens.set(completion, i * t + p);
    for (let j = 0; j < t; j++) {
      targets[2 * (i * t + j)] = BigInt(i * t + j);
      targets[2 * (i * t + j) + 1] = BigInt(j + 1 < t ? tokens[i * t + j + 1] : 0);
    }
  });
  const dims = [k, t, 1];
  const grid = spread(batch.completions.map((c) => new Float32Array(c.length).fill(1)));
  const feeds: Record<string, Feed> = {
    tokens: { data: tokens, dims: [k * t] },
    positions: { data: positions, dims: [k * t] },
    times: { data: Int32Array.from({ length: t }, (_, i) => i), dims: [t] },
    logit_bias: { data: new Float32Array(config.vocabularySize), dims: [config.vocabularySize] },
    targets: { data: targets, dims: [k * t, 2] },
    grid: { data: grid, dims },
    advantage: { data: spread(batch.advantages), dims },
    weight: { data: spread(batch.weights), dims },
    share: {
      data: spread(batch.completions.map((c) => new Float32Array(c.length).fill(1 / c.length))),
      dims,
    },
    low: { data: Float32Array.of(batch.clipLow ?? 0.2), dims: [] },
    high: { data: Float32Array.of(batch.clipHigh ?? 0.2), dims: [] },
    beta: { data: Float32Array.of(batch.klBeta ?? 0), dims: [] },
  };
  for (const { name, shape } of parameters.specs) {
    feeds[name] = { data: parameters.views.get(name) as Float32Array, dims: shape };
  }
  const run = (old: Float32Array, reference: Float32Array) =>
    program.run({ ...feeds, old: { data: old, dims }, reference: { data: reference, dims } });
  // On-policy, π_old is the policy itself: a first run tells its log-probabilities.
  const own = (await run(new Float32Array(k * t), new Float32Array(k * t))).logprobs.data;
  const old = batch.oldLogprobs ? spread(batch.oldLogprobs) : own;
  const reference = batch.referenceLogprobs ? spread(batch.referenceLogprobs) : own;
  const outputs = await run(old, reference);
  return {
    loss: outputs.loss.data[0],
    gradients: new Map(parameters.specs.map(({ name }) => [name, outputs[`grad:${name}`].data])),
    logprobs: batch.completions.map((c, i) => own.slice(i * t + p - 1, i * t + p - 1 + c.length)),
  };
}

/** ‖a − b‖ / ‖b‖ over all weights together, and the largest over single weights that are not negligible. */
export function relativeDeviation(
  a: ReadonlyMap<string, Float32Array>,
  b: ReadonlyMap<string, Float32Array>,
): number {
  let whole = 0;
  for (const gradient of b.values()) for (const v of gradient) whole += v * v;
  let worst = 0;
  for (const [name, expected] of b) {
    const found = a.get(name) as Float32Array;
    let difference = 0;
    let norm = 0;
    for (let i = 0; i < expected.length; i++) {
      difference += (found[i] - expected[i]) ** 2;
      norm += expected[i] ** 2;
    }
    // A bias of keys has no gradient in exact arithmetic: measure it against the whole.
    worst = Math.max(worst, Math.sqrt(difference / Math.max(norm, 1e-4 * whole)));
  }
  return worst;
}
