/**
 * The published credit rules: each equals the literal loop over completions and prefixes (credit-literal.ts), and
 * relates to GRPO as docs/credit.md says, both in coefficients over thousands of groups and in a transformer's
 * gradient.
 */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderCredit } from '../scripts/credit-figure.js';
import type { LocalEngine } from '../src/engine/index.js';
import {
  CREDIT_NAMES,
  CREDIT_RULES,
  type CreditName,
  checkCredit,
  groupAdvantages,
  type LossCoefficients,
  type Normalisation,
  sequenceWeights,
  tokenCoefficients,
} from '../src/objective/index.js';
import { Stream } from '../src/random/stream.js';
import { forms, formsEngine, packedUpdate } from '../src/reproduce/forms.js';
import { paddedUpdate, relativeDeviation } from '../src/reproduce/padded.js';
import { ProcessTree } from '../src/tree/index.js';
import { LITERAL, type LiteralGroup, sharing } from './credit-literal.js';

/** Groups with duplicates, completions that begin others, and empty ones; rewards of few values and of many. */
const groups = fc
  .record({
    members: fc.array(
      fc.record({
        tokens: fc.array(fc.nat(2), { maxLength: 7 }),
        reward: fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom(0, 1, 0.5, -1) },
          { weight: 1, arbitrary: fc.double({ min: -5, max: 5, noNaN: true }) },
        ),
        weight: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 3, noNaN: true })),
      }),
      { minLength: 1, maxLength: 9 },
    ),
    prefix: fc.array(fc.nat(2), { maxLength: 2 }),
    scale: fc.constantFrom('std' as const, 'none' as const),
  })
  .map(({ members, prefix, scale }) => {
    const rewards = members.map(({ reward }) => reward);
    return {
      completions: members.map(({ tokens }) => [...prefix, ...tokens]),
      rewards,
      advantages: [...groupAdvantages(rewards, { scale })],
      weights: members.map(({ weight }) => weight),
    };
  });

const context = (group: LiteralGroup, weights: readonly number[]) => ({
  advantages: Float64Array.from(group.advantages),
  weights: Float64Array.from(weights),
});
const coefficientsOf = (
  name: CreditName,
  tree: ProcessTree,
  group: LiteralGroup,
  weights: readonly number[],
) => CREDIT_RULES[name].rule(tree, Float64Array.from(group.rewards), context(group, weights));

describe('each rule is the literal loop over completions and prefixes', () => {
  it('every rule has a literal one', () => expect(Object.keys(LITERAL)).toEqual(CREDIT_NAMES));

  it.each(CREDIT_NAMES)('%s, on 1,000 groups', (name) => {
    let [duplicates, beginnings, empty, differing] = [0, 0, 0, 0];
    fc.assert(
      fc.property(groups, (group) => {
        const { completions, weights } = group;
        const tree = ProcessTree.build(completions);
        const coefficients = coefficientsOf(name, tree, group, weights);
        // What a user's own rule may return.
        expect(checkCredit(tree, coefficients, coefficients.kl)).toEqual(coefficients);
        let worst = 0;
        completions.forEach((tokens, i) => {
          if (tokens.length === 0) empty++;
          if (completions.some((other, j) => j < i && String(other) === String(tokens))) duplicates++;
          if (sharing(group, i, tokens.length).some((j) => completions[j].length > tokens.length))
            beginnings++;
          tokens.forEach((_, t) => {
            const node = tree.nodeAt(i, t);
            const { plus, minus } = tokenCoefficients(coefficients, t === tree.start[node]);
            let [up, down, kl] = [0, 0, 0];
            for (const j of sharing(group, i, t + 1)) {
              const { advantage, factor } = LITERAL[name](group, j, t);
              up += factor * weights[j] * Math.max(advantage, 0);
              down += factor * weights[j] * Math.min(advantage, 0);
              kl += factor * weights[j];
            }
            worst = Math.max(
              worst,
              Math.abs(plus[node] - up),
              Math.abs(minus[node] - down),
              Math.abs(coefficients.kl[node] - kl),
            );
            differing += Number(up + down !== 0);
          });
        });
        expect(worst).toBeLessThan(1e-9 * (1 + 10 * Math.max(...group.advantages.map(Math.abs))));
      }),
      { numRuns: 1000, seed: 16 },
    );
    expect(Math.min(duplicates, beginnings, empty, differing)).toBeGreaterThan(150);
  });
});

describe('a transformer’s gradient', () => {
  let engine: LocalEngine;
  beforeAll(() => {
    engine = formsEngine();
  });
  afterAll(() => engine.dispose());

  it.each(CREDIT_NAMES)(
    'of %s on the packed tree is that of its copies on padded sequences',
    async (name) => {
      const stream = new Stream('credit', name);
      for (let trial = 0; trial < 4; trial++) {
        const clipped = trial % 2 === 1;
        const klBeta = trial < 2 ? 0 : 0.3;
        const built = forms(stream, { normalisation: trial < 2 ? 'token' : 'sequence', klBeta, clipped });
        const { sample, advantages, sequence } = built;
        const { tree, rewards } = sample;
        const group: LiteralGroup = {
          completions: tree.tokens.map((tokens) => [...tokens]),
          rewards,
          advantages: [...advantages],
        };
        const literal = group.completions.map((tokens, i) =>
          tokens.map((_, t) => LITERAL[name](group, i, t)),
        );
        const padded = await paddedUpdate(engine.parameters, clipped ? 'clipped' : 'grpo', {
          ...built.padded('trajectory'),
          advantages: literal.map((values) => values.map(({ advantage }) => advantage)),
          weights: literal.map((values, i) => values.map(({ factor }) => factor * sequence[i])),
        });
        const coefficients = coefficientsOf(name, tree, group, [...sequence]);
        const packed = await packedUpdate(engine, [{ ...built.example(0), coefficients }], klBeta);
        expect(relativeDeviation(packed.gradients, padded.gradients)).toBeLessThan(1e-4);
      }
    },
  );
});

it('the picture of docs/credit.md is the rules’ own (npx tsx scripts/credit-figure.ts)', async () => {
  expect(await readFile(new URL('../docs/figures/credit.svg', import.meta.url), 'utf8')).toBe(renderCredit());
});

describe('the table of docs/credit.md', () => {
  type Relation = 'grpo' | 'lambda-grpo' | 'lambda-0.5' | 'different';
  const REFERENCES = ['grpo', 'lambda-grpo', 'lambda-0.5'] as const;
  /** What of the coefficients is compared, and under which normalisation. */
  const ASPECTS = {
    gradient: {
      normalisations: ['token', 'group', 'constant'],
      compared: (up: number, down: number) => [up + down],
    },
    clipping: {
      normalisations: ['token', 'group', 'constant'],
      compared: (up: number, down: number) => [up, down],
    },
    sequence: { normalisations: ['sequence'], compared: (up: number, down: number) => [up + down] },
    kl: { normalisations: ['token', 'sequence'], compared: (_up: number, _down: number, kl: number) => [kl] },
  } as const satisfies Record<
    string,
    { normalisations: readonly Normalisation[]; compared: (up: number, down: number, kl: number) => number[] }
  >;
  type Aspect = keyof typeof ASPECTS;

  const perToken = (tree: ProcessTree, coefficients: LossCoefficients, aspect: Aspect): number[] => {
    const values: number[] = [];
    for (let node = 0; node < tree.nodeCount; node++) {
      for (let t = tree.start[node]; t < tree.end[node]; t++) {
        const { plus, minus } = tokenCoefficients(coefficients, t === tree.start[node]);
        values.push(...ASPECTS[aspect].compared(plus[node], minus[node], coefficients.kl[node]));
      }
    }
    return values;
  };

  const relations = new Map<CreditName, Record<Aspect, Relation>>();
  beforeAll(() => {
    const random = fc.sample(
      groups.filter(({ completions }) => completions.some(({ length }) => length > 0)),
      { numRuns: 2000, seed: 17 },
    );
    const trees = random.map(({ completions }) => ProcessTree.build(completions));
    for (const name of CREDIT_NAMES) {
      const verdicts = {} as Record<Aspect, Relation>;
      for (const aspect of Object.keys(ASPECTS) as Aspect[]) {
        const equal = (reference: CreditName): boolean =>
          random.every((group, g) => {
            const tree = trees[g];
            const totals = { tokens: tree.tokenCount, sequences: tree.groupSize, maxTokens: 9 };
            return ASPECTS[aspect].normalisations.every((normalisation) => {
              const weights = [...sequenceWeights(tree.lengths, normalisation, totals)];
              const [a, b] = [name, reference].map((rule) =>
                perToken(tree, coefficientsOf(rule, tree, group, weights), aspect),
              );
              return a.every((value, place) => Math.abs(value - b[place]) < 1e-9);
            });
          });
        verdicts[aspect] = REFERENCES.find(equal) ?? 'different';
      }
      relations.set(name, verdicts);
    }
  });

  it('has the verdicts that 2,000 random groups give, for every rule', async () => {
    const page = await readFile(new URL('../docs/credit.md', import.meta.url), 'utf8');
    const words: Record<string, Relation> = {
      GRPO: 'grpo',
      'λ-GRPO': 'lambda-grpo',
      '\\|λ\\|^−½': 'lambda-0.5',
      different: 'different',
    };
    const rows = [...page.matchAll(/^\| `([\w.-]+)` \|((?: (?:[^|\\]|\\\|)* \|){4})$/gm)].map(
      ([, name, cells]) => {
        const [gradient, clipping, sequence, kl] = cells
          .split(/(?<!\\)\|/)
          .slice(0, 4)
          .map((cell) => words[cell.replaceAll('*', '').trim()]);
        return [name, { gradient, clipping, sequence, kl }] as const;
      },
    );
    expect(rows.map(([name]) => name)).toEqual(CREDIT_NAMES);
    for (const [name, verdicts] of rows)
      expect({ name, ...verdicts }).toEqual({ name, ...relations.get(name as CreditName) });
  });

  it('is true of a transformer: equal rules have one gradient, different ones are far apart', async () => {
    const engine = formsEngine();
    const stream = new Stream('verdicts');
    const apart = new Map<string, number>();
    for (let trial = 0; trial < 12; trial++) {
      const built = forms(stream, { normalisation: 'token', klBeta: 0, clipped: false });
      const { tree, rewards } = built.sample;
      const group = { completions: [], rewards, advantages: [...built.advantages] };
      const gradients = new Map<CreditName, ReadonlyMap<string, Float32Array>>();
      for (const name of CREDIT_NAMES) {
        const coefficients = coefficientsOf(name, tree, group, [...built.sequence]);
        gradients.set(
          name,
          (await packedUpdate(engine, [{ ...built.example(0), coefficients }], 0)).gradients,
        );
      }
      for (const name of CREDIT_NAMES) {
        for (const reference of REFERENCES) {
          const [a, b] = [name, reference].map(
            (rule) => gradients.get(rule) as ReadonlyMap<string, Float32Array>,
          );
          const key = `${name} ${reference}`;
          apart.set(key, Math.max(apart.get(key) ?? 0, relativeDeviation(a, b)));
        }
      }
    }
    await engine.dispose();
    for (const name of CREDIT_NAMES) {
      for (const reference of REFERENCES) {
        const deviation = apart.get(`${name} ${reference}`) as number;
        if (relations.get(name)?.gradient === reference)
          expect(deviation, `${name} ${reference}`).toBeLessThan(1e-4);
        else expect(deviation, `${name} ${reference}`).toBeGreaterThan(0.02);
      }
    }
  });
});
