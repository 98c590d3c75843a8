/**
 * A step's trees as data for a server with an exact model: its gradient equals the objective's by definition (k
 * separate sequences, no tree), for GRPO and λ-GRPO, every normalisation and both reductions of the server.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError, type TrainExample } from '../../src/engine/engine.js';
import { type Reduction, stepData } from '../../src/engine/tinker/data.js';
import {
  CREDIT_RULES,
  lossCoefficients,
  type Normalisation,
  sequenceWeights,
} from '../../src/objective/index.js';
import { Session, TinkerClient, type TrainingModel, type Wire } from '../../src/tinker/index.js';
import { ProcessTree, packTree } from '../../src/tree/index.js';
import { TableServer } from './table-server.js';

/** Equal completions with equal and with opposite advantages, prefixes of one another, a shared step of both signs. */
const GROUPS = [
  {
    prompt: Int32Array.of(0, 1),
    completions: [[1, 2, 3], [1, 2, 3], [1, 2], [1, 4, 4, 0], [2], [1, 2, 3]],
    advantages: [1.2, 1.2, -0.7, -1.1, 0.4, -1],
  },
  {
    prompt: Int32Array.of(3),
    completions: [
      [0, 0],
      [0, 1],
      [4, 4, 4],
    ],
    advantages: [0.5, -1.5, 1],
  },
];
const ALL = GROUPS.flatMap(({ completions }) => completions);
const TOTALS = {
  tokens: ALL.reduce((n, { length }) => n + length, 0),
  sequences: ALL.length,
  groups: GROUPS.length,
  maxTokens: 6,
};

function examples(normalisation: Normalisation, lambdaExponent: number): TrainExample[] {
  return GROUPS.map(({ prompt, completions, advantages }) => {
    const tree = ProcessTree.build(completions);
    const weights = sequenceWeights(tree.lengths, normalisation, TOTALS);
    return { prompt, tree, coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent }) };
  });
}

/** −∇J of a table of logits, from the definition: each completion alone, |λ| by counting shared prefixes. */
function byDefinition(
  table: readonly (readonly number[])[],
  old: readonly (readonly number[])[],
  normalisation: Normalisation,
  exponent: number,
): number[][] {
  const gradient = table.map((line) => line.map(() => 0));
  const p = (logits: readonly number[]): number[] => {
    const weights = logits.map(Math.exp);
    return weights.map((weight) => weight / weights.reduce((a, b) => a + b, 0));
  };
  for (const { prompt, completions, advantages } of GROUPS) {
    const tree = ProcessTree.build(completions);
    completions.forEach((completion, i) => {
      const per = {
        token: 1 / TOTALS.tokens,
        sequence: 1 / (TOTALS.sequences * completion.length),
        constant: 1 / (TOTALS.sequences * TOTALS.maxTokens),
        group: 1 / (GROUPS.length * completions.flat().length),
      }[normalisation];
      completion.forEach((target, t) => {
        const from = t === 0 ? prompt[prompt.length - 1] : completion[t - 1];
        const shared = tree.size[tree.nodeAt(i, t)];
        const now = p(table[from]);
        const ratio = now[target] / p(old[from])[target];
        const a = advantages[i];
        if (ratio * a > Math.min(Math.max(ratio, 0.8), 1.2) * a) return;
        now.forEach((share, other) => {
          gradient[from][other] -=
            ((per * a) / shared ** exponent) * ratio * (Number(other === target) - share);
        });
      });
    });
  }
  return gradient;
}

const CASES = (['json', 'protobuf'] as Wire[]).flatMap((wire) =>
  (['mean', 'sum'] as Reduction[]).map((reduction) => ({ wire, reduction })),
);

describe.each(CASES)('a server of the $wire wire that takes the $reduction', ({ wire, reduction }) => {
  let server: TableServer;
  let session: Session;
  let model: TrainingModel;
  const adam = { learning_rate: 0.3, beta1: 0, beta2: 0, eps: 1e-8 };
  beforeAll(async () => {
    server = await new TableServer({ wire, reduction }).start();
    session = await Session.open(new TinkerClient({ url: server.url, pause: 1 }));
    model = await session.createModel({ baseModel: 'table', rank: 1, seed: 5 });
  });
  afterAll(async () => {
    session.close();
    await server.stop();
  });

  const table = (): number[][] => structuredClone(server.models.get(model.id)!.weights);
  /** ln π of each tree token under a table. */
  const scored = (batch: readonly TrainExample[], logits: readonly (readonly number[])[]) =>
    batch.map(({ prompt, tree }) => {
      const { tokens, parent } = packTree(tree, prompt);
      return Float32Array.from(tokens.subarray(prompt.length), (token, i) => {
        const line = logits[tokens[parent[prompt.length + i]]];
        return line[token] - Math.log(line.reduce((sum, logit) => sum + Math.exp(logit), 0));
      });
    });

  it.each(
    (['token', 'sequence', 'constant', 'group'] as const).flatMap((normalisation) =>
      [0, 1].map((exponent) => ({ normalisation, exponent })),
    ),
  )(
    'normalisation $normalisation, λ exponent $exponent: two updates, the second clipped',
    async (objective) => {
      const { normalisation, exponent } = objective;
      const batch = examples(normalisation, exponent);
      const old = table();
      const logprobs = scored(batch, old);
      for (const clips of [false, true]) {
        const before = table();
        const options = { reduction, clips, contextLength: 8, vocabulary: 5 };
        const { data, saved } = stepData(batch, logprobs, options);
        expect(saved).toBe(2 * 4);
        // One a distinct completion; two where equal completions or a shared step have both signs.
        expect(data).toHaveLength(clips ? 12 : 7);
        await model.forwardBackward({
          data,
          loss: 'ppo',
          bounds: { clip_low_threshold: 0.8, clip_high_threshold: 1.2 },
        });
        await model.optimStep(adam);
        const expected = byDefinition(before, old, normalisation, exponent);
        const scale = Math.max(...expected.flat().map(Math.abs));
        expect(scale).toBeGreaterThan(1e-3);
        expected.flat().forEach((g, i) => {
          expect(Math.abs(server.lastGradient.flat()[i] - g)).toBeLessThan(1e-6 * Math.max(1, scale));
        });
      }
    },
  );
});

describe('a rule whose coefficients differ within a step', () => {
  it('sends its first tokens theirs: over the data of a group each tree token has its A⁺ + A⁻', () => {
    const batch = examples('token', 0).map((example, g) => {
      const { advantages } = GROUPS[g];
      const weights = sequenceWeights(example.tree.lengths, 'token', TOTALS);
      const context = { advantages: Float64Array.from(advantages), weights };
      return { ...example, coefficients: CREDIT_RULES.tempo.rule(example.tree, context.advantages, context) };
    });
    const logprobs = batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount).fill(-1));
    for (const clips of [false, true]) {
      const { data, origins } = stepData(batch, logprobs, {
        reduction: 'sum',
        clips,
        contextLength: 8,
        vocabulary: 5,
      });
      batch.forEach(({ tree, coefficients }, e) => {
        const sums = new Float64Array(tree.distinctTokenCount);
        origins.forEach(({ example, treeTokens, first }, d) => {
          if (example !== e) return;
          treeTokens.forEach((token, t) => {
            sums[token] += data[d].advantages[first + t];
          });
        });
        const { node } = packTree(tree, new Int32Array());
        let differing = 0;
        node.forEach((n, token) => {
          const isFirst = token === 0 || node[token - 1] !== n;
          const { plus, minus } = isFirst && coefficients.first ? coefficients.first : coefficients;
          expect(sums[token]).toBeCloseTo(plus[n] + minus[n], 6);
          if (isFirst) differing += Number(plus[n] !== coefficients.plus[n]);
        });
        expect(differing).toBeGreaterThan(0);
      });
    }
  });
});

describe('data that a server would take in silence', () => {
  const tree = ProcessTree.build([[1, 2], [3]]);
  const coefficients = lossCoefficients(tree, [1, -1], [0.5, 0.5], { lambdaExponent: 0 });
  const example: TrainExample = { prompt: Int32Array.of(1), tree, coefficients };
  const options = { reduction: 'mean', clips: false, contextLength: 3, vocabulary: 4 } as const;
  const logprobs = [new Float32Array(3)];

  it.each([
    [{}, { contextLength: 2 }, 'example 1, completion 1: expected at most 2 tokens with the prompt, got 3'],
    [{}, { vocabulary: 3 }, 'example 1, completion 2: expected token ids from 0 to 2, got 3'],
    [{ prompt: Int32Array.of(-1) }, {}, 'example 1, completion 1: expected token ids from 0 to 3, got -1'],
    [{ prompt: new Int32Array() }, {}, 'example 1: expected a prompt of at least one token'],
    [
      { weights: Float32Array.of(Number.NaN, 1, 1) },
      {},
      'example 1: expected finite coefficients, got one that is not finite',
    ],
    [{ tree: ProcessTree.build([[]]) }, {}, 'expected at least one completion with a token, got none'],
  ])('is refused before the wire', (changes, changed, message) => {
    expect(() => stepData([{ ...example, ...changes }], logprobs, { ...options, ...changed })).toThrow(
      new EngineError(message),
    );
  });

  it('tokens that are not trained have weight 0; where none is, the weights still have a sum', () => {
    const part = stepData([{ ...example, mask: Float32Array.of(0, 1, 0) }], logprobs, options).data;
    expect(part.map(({ weights }) => [...weights])).toEqual([[0, 1], [1]]);
    expect(part.map(({ advantages }) => [...advantages].map(Math.abs))).toEqual([[0, 1], [0]]);
  });
});
