/**
 * The peer of the packed tree: k sequences padded to one length, dense causal attention, losses written token by token
 * as in the paper (§2). It shares the decoder's layers with the engine and nothing else: no tree, no (A⁺, A⁻), no
 * edges.
 */
import * as g from '../graph/index.js';
import { distribution, hiddenStates, logProbabilities, parameterInputs } from '../model/decoder.js';
import type { ModelConfig, Parameters } from '../model/index.js';
import { Program } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';

/** A loss as in the paper: on-policy, with PPO's clipping, or with GSPO's ratio of sequences. */
export type PaddedLoss = 'grpo' | 'clipped' | 'gspo';

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

/** Values of one run, [K, T] each. */
interface PaddedFeeds {
  readonly weights: (name: string) => Float32Array;
  readonly inverseTemperature: number;
  readonly logitBias: Float32Array;
  readonly rows: number;
  readonly length: number;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  /** Row and predicted token, [K·T, 2]. */
  readonly targets: BigInt64Array;
  /** 1 for real tokens. */
  readonly grid: Float32Array;
  readonly advantage: Float32Array;
  readonly weight: Float32Array;
  /** 1/|g| for the tokens of a completion. */
  readonly share: Float32Array;
  readonly old: Float32Array;
  readonly reference: Float32Array;
  readonly low: number;
  readonly high: number;
  readonly beta: number;
}

interface PaddedValues {
  readonly loss: number;
  readonly logprobs: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

const programs = new Map<string, Promise<Program<PaddedFeeds, PaddedValues>>>();

function define(config: ModelConfig, form: PaddedLoss): g.ProgramDefinition<PaddedFeeds, PaddedValues> {
  const scope = new g.InputList<PaddedFeeds>();
  const { graph } = scope;
  const weights = parameterInputs(scope, config);
  const cell = (name: string, fill: (feeds: PaddedFeeds) => Float32Array): g.Tensor =>
    scope.input(name, 'float32', ['K', 'T', 1], fill);
  const scalar = (name: string, value: (feeds: PaddedFeeds) => number): g.Tensor =>
    scope.input(name, 'float32', [], (feeds) => Float32Array.of(value(feeds)));
  const grid = cell('grid', (feeds) => feeds.grid);
  const head = config.width / config.heads;
  const times = scope.input('times', 'int32', ['T'], ({ length }) =>
    Int32Array.from({ length }, (_, i) => i),
  );
  const causal = g.where(
    g.lessOrEqual(g.reshape(times, [1, 'T']), g.reshape(times, ['T', 1])),
    graph.scalar(0),
    graph.scalar(-1e9),
  );
  const heads = (x: g.Tensor): g.Tensor =>
    g.transpose(g.reshape(x, ['K', 'T', config.heads, head]), [0, 2, 1, 3]);
  const attend = (_: number, qkv: g.Tensor): g.Tensor => {
    const { width } = config;
    const [q, k, v] = g.split(g.reshape(qkv, ['K*T', 3 * width]), [width, width, width], 1);
    const scores = g.mul(g.matmul(heads(q), g.transpose(heads(k), [0, 1, 3, 2])), 1 / Math.sqrt(head));
    const mixed = g.matmul(g.softmax(g.add(scores, causal)), heads(v));
    return g.reshape(g.transpose(mixed, [0, 2, 1, 3]), ['K*T', config.width]);
  };
  const tokens = scope.input('tokens', 'int32', ['K*T'], (feeds) => feeds.tokens);
  const positions = scope.input('positions', 'int32', ['K*T'], (feeds) => feeds.positions);
  const hidden = hiddenStates(weights, config, tokens, positions, attend);
  const all = logProbabilities(weights, config, hidden, distribution(scope, config));
  const targets = scope.input('targets', 'int64', ['K*T', 2], (feeds) => feeds.targets);
  const logprobs = g.reshape(g.gatherND(all, targets), ['K', 'T', 1]);
  const advantage = cell('advantage', (feeds) => feeds.advantage);
  const weight = cell('weight', (feeds) => feeds.weight);
  const old = cell('old', (feeds) => feeds.old);
  const reference = cell('reference', (feeds) => feeds.reference);
  const beta = scalar('beta', (feeds) => feeds.beta);
  let policy: g.Tensor;
  if (form === 'gspo') {
    const share = cell('share', (feeds) => feeds.share);
    const mean = g.reduceSum(g.mul(share, g.sub(logprobs, old)), [1], true);
    policy = g.mul(g.exp(mean), advantage);
  } else {
    const ratio = g.exp(g.sub(logprobs, old));
    policy = g.mul(ratio, advantage);
    if (form === 'clipped') {
      const [low, high] = [scalar('low', (feeds) => feeds.low), scalar('high', (feeds) => feeds.high)];
      const inside = g.minimum(g.maximum(ratio, g.sub(1, low)), g.add(high, 1));
      policy = g.minimum(policy, g.mul(inside, advantage));
    }
  }
  const d = g.sub(reference, logprobs);
  const k3 = g.sub(g.sub(g.exp(d), d), 1);
  // grid is 1 for real tokens: padding has no term, whatever the other inputs are.
  const terms = g.mul(g.mul(grid, weight), g.sub(policy, g.mul(beta, k3)));
  const loss = g.neg(g.sumAll(terms));
  const names = [...weights.keys()];
  const gradients = g.gradients(loss, [...weights.values()]);
  const gradientOf = (name: string): string => `grad:${name}`;
  return {
    inputs: scope.inputs,
    sizes: ({ rows, length }) => ({ K: rows, T: length }),
    outputs: {
      loss,
      logprobs,
      ...Object.fromEntries(names.map((name, i) => [gradientOf(name), gradients[i]])),
    },
    read: (values) => ({
      loss: values('loss')[0],
      logprobs: values('logprobs'),
      gradients: new Map(names.map((name) => [name, values(gradientOf(name))])),
    }),
  };
}

/** Loss, gradients and log-probabilities of k padded sequences. */
export async function paddedUpdate(
  parameters: Parameters,
  form: PaddedLoss,
  batch: PaddedBatch,
): Promise<PaddedResult> {
  const { config } = parameters;
  const key = `${form} ${JSON.stringify(config)}`;
  const program = await (programs.get(key) ?? Program.compile(nodeBackend(), define(config, form)));
  programs.set(key, Promise.resolve(program));
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
  const ofTokens = (value: (length: number) => number): Float32Array =>
    spread(batch.completions.map(({ length }) => new Float32Array(length).fill(value(length))));
  const feeds = {
    weights: (name: string) => parameters.views.get(name) as Float32Array,
    inverseTemperature: 1,
    logitBias: new Float32Array(config.vocabularySize),
    rows: k,
    length: t,
    tokens,
    positions,
    targets,
    grid: ofTokens(() => 1),
    advantage: spread(batch.advantages),
    weight: spread(batch.weights),
    share: ofTokens((length) => 1 / length),
    low: batch.clipLow ?? 0.2,
    high: batch.clipHigh ?? 0.2,
    beta: batch.klBeta ?? 0,
  };
  const run = (old: Float32Array, reference: Float32Array): Promise<PaddedValues> =>
    program.run({ ...feeds, old, reference });
  // On-policy, π_old is the policy itself: a first run computes its log-probabilities.
  const current = (await run(new Float32Array(k * t), new Float32Array(k * t))).logprobs;
  const old = batch.oldLogprobs ? spread(batch.oldLogprobs) : current;
  const reference = batch.referenceLogprobs ? spread(batch.referenceLogprobs) : current;
  const outputs = await run(old, reference);
  return {
    loss: outputs.loss,
    gradients: outputs.gradients,
    logprobs: batch.completions.map((c, i) => current.slice(i * t + p - 1, i * t + p - 1 + c.length)),
  };
}

/** ‖a − b‖ / ‖b‖ over all weights together, and the largest over single weights with a non-negligible gradient. */
export function relativeDeviation(
  a: ReadonlyMap<string, Float32Array>,
  b: ReadonlyMap<string, Float32Array>,
): number {
  let whole = 0;
  for (const gradient of b.values()) for (const v of gradient) whole += v * v;
  let worst = 0;
  for (const [name, expected] of b) {
    const actual = a.get(name) as Float32Array;
    let difference = 0;
    let norm = 0;
    for (let i = 0; i < expected.length; i++) {
      difference += (actual[i] - expected[i]) ** 2;
      norm += expected[i] ** 2;
    }
    // A bias of keys has no gradient in exact arithmetic, so its deviation is relative to the whole gradient.
    worst = Math.max(worst, Math.sqrt(difference / Math.max(norm, 1e-4 * whole)));
  }
  return worst;
}
