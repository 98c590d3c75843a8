/**
 * An engine without a model: one number per token, independent of context, trained by hand-written gradients. It shows
 * that the training loop needs only the engine's interface.
 */
import type { Engine, TrainExample, TreeExample } from '../src/engine/index.js';
import { readText, type Store, writeText } from '../src/model/index.js';
import { tokenCoefficients } from '../src/objective/index.js';
import { Stream } from '../src/random/stream.js';
import { packTree } from '../src/tree/index.js';

export class StandInEngine implements Engine {
  readonly name = 'stand-in';
  readonly capabilities: Engine['capabilities'];
  private logits: number[];

  constructor(vocabulary: number, capabilities: Partial<Engine['capabilities']> = {}) {
    this.logits = new Array<number>(vocabulary).fill(0);
    const no = 'clipBound kl referenceSync entropyBonus rescale asymmetricClipping masks watchers topK topP';
    const neither = 'momentum otherSampler importanceWeights int8Sampling sampleAhead';
    const yes = 'allowedTokens optimizerState temperature gradientClipping';
    const flags = (names: string, value: boolean) =>
      Object.fromEntries(names.split(' ').map((name) => [name, value]));
    this.capabilities = {
      ...(flags(`${no} ${neither}`, false) as unknown as Engine['capabilities']),
      ...flags(yes, true),
      ...{ forms: ['ppo'], optimizers: ['adamw', 'sgd'], contextLength: 64 },
      ...capabilities,
    };
  }

  private probabilities(allowed: readonly number[] = [...this.logits.keys()]): number[] {
    const weights = this.logits.map((logit, token) => (allowed.includes(token) ? Math.exp(logit) : 0));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / total);
  }

  async sample(...[requests, options]: Parameters<Engine['sample']>): ReturnType<Engine['sample']> {
    options.signal?.throwIfAborted();
    const p = this.probabilities(options.allowedTokens);
    const completions = requests.map(({ count, key }) =>
      Array.from({ length: count }, (_, sample) => {
        const stream = new Stream(options.seed, 'sampling', ...key, sample);
        const tokens = Int32Array.from({ length: options.maxTokens }, () => {
          if (options.temperature === 0) return p.indexOf(Math.max(...p));
          let left = stream.uniform();
          return p.findIndex((share) => {
            left -= share;
            return left < 0;
          });
        });
        return {
          tokens,
          logprobs: Float32Array.from(tokens, (token) => Math.log(p[token])),
          stop: 'length' as const,
        };
      }),
    );
    return { completions, statistics: { decodedTokens: 0, sampledTokens: 0 } };
  }

  async update(...[batch, options]: Parameters<Engine['update']>): ReturnType<Engine['update']> {
    const scores = await this.score(batch, 'current', options);
    const p = this.probabilities(options.allowedTokens);
    const gradient = new Array<number>(p.length).fill(0);
    for (const { tree, coefficients } of batch as readonly TrainExample[]) {
      const { tokens, node } = packTree(tree, new Int32Array());
      tokens.forEach((token, t) => {
        const { plus, minus } = tokenCoefficients(coefficients, t === 0 || node[t] !== node[t - 1]);
        const a = plus[node[t]] + minus[node[t]];
        p.forEach((share, other) => {
          gradient[other] += a * (Number(other === token) - share);
        });
      });
    }
    this.logits = this.logits.map((logit, token) => logit + options.learningRate * gradient[token]);
    return { ...scores, loss: 0, gradNorm: Math.hypot(...gradient), treeTokens: 0, computedTokens: 0 };
  }

  async score(...[batch, , options]: Parameters<Engine['score']>): ReturnType<Engine['score']> {
    options.signal?.throwIfAborted();
    const p = this.probabilities(options.allowedTokens);
    const ids = ({ tree }: TreeExample) => packTree(tree, new Int32Array()).tokens;
    const entropy = -p.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0);
    return {
      logprobs: batch.map((example) => Float32Array.from(ids(example), (token) => Math.log(p[token]))),
      entropies: batch.map((example) => new Float32Array(ids(example).length).fill(entropy)),
    };
  }

  async freezeReference(): Promise<void> {}
  async syncReference(): Promise<void> {}
  async resetOptimizer(): Promise<void> {}
  async dispose(): Promise<void> {}

  async save(store: Store): Promise<void> {
    await writeText(store, 'logits.json', JSON.stringify(this.logits));
  }

  async load(store: Store): Promise<void> {
    this.logits = JSON.parse(await readText(store, 'logits.json')) as number[];
  }
}
