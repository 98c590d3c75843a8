/**
 * Credit rules in the analysis of logs: the value of each token equals that of the literal loop (credit-literal.ts),
 * figures are sums over completions and tokens, and GRPO's figures are the same as without a rule.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  analyzeGroup,
  creditRows,
  type GroupCredit,
  LogGatherer,
  publishedCredit,
  tokenCredit,
  WeightsWriter,
} from '../src/analysis/index.js';
import { diagnosticCards } from '../src/analysis/report/headline.js';
import { openRules } from '../src/cli/analyze-credit.js';
import { CREDIT_NAMES } from '../src/objective/index.js';
import type { Group } from '../src/rollouts/index.js';
import { LITERAL, type LiteralGroup, sharing } from './credit-literal.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-credit-analysis-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const groups = fc
  .array(
    fc.record({
      tokens: fc.array(fc.nat(2), { maxLength: 6 }),
      reward: fc.constantFrom(0, 1, 0.5, -1),
      environment: fc.nat(3),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map(
    (completions): Group => ({
      id: 'g',
      step: 2,
      prompt: { tokens: new Int32Array() },
      completions: completions.map(({ tokens, reward, environment }) => ({
        tokens: Int32Array.from(tokens),
        reward,
        ...(environment === 0 && { mask: Uint8Array.from(tokens, (_, t) => t % 2) }),
      })),
      tokens: 'exact',
      groups: 'explicit',
    }),
  );
const literalOf = (group: Group): LiteralGroup => ({
  completions: group.completions.map(({ tokens }) => [...tokens]),
  rewards: group.completions.map(({ reward }) => reward),
  advantages: [...analyzeGroup(group).advantages],
});

describe('a group under a rule', () => {
  it.each(CREDIT_NAMES)('%s: tokens get the literal advantage and factor', (name) => {
    fc.assert(
      fc.property(groups, (group) => {
        const analysis = analyzeGroup(group);
        const literal = literalOf(group);
        const credit = publishedCredit(name, analysis);
        group.completions.forEach(({ tokens }, i) => {
          const { advantages, scale } = tokenCredit(analysis.tree, i, credit);
          expect(advantages).toHaveLength(tokens.length);
          const expected = [...tokens].map((_, t) => LITERAL[name](literal, i, t));
          expected.forEach(({ advantage, factor }, t) => {
            expect(Math.abs(advantages[t] - advantage)).toBeLessThan(1e-9);
            expect(Math.abs(scale[t] - factor)).toBeLessThan(1e-12);
          });
          const push = (t: number): number => {
            const shared = sharing(literal, i, t + 1).map((j) => LITERAL[name](literal, j, t));
            const sum = shared.reduce((total, { advantage, factor }) => total + factor * advantage, 0);
            return Math.abs(sum) < 1e-9 ? 0 : sum;
          };
          const against = [...tokens].filter((_, t) => push(t) * literal.advantages[i] < 0).length;
          expect(credit.against[i]).toBeCloseTo(tokens.length > 0 ? against / tokens.length : 0, 12);
        });
      }),
      { numRuns: 150, seed: 5 },
    );
  });

  it('GRPO’s figures are those without any rule, λ-GRPO’s are its mass', () => {
    fc.assert(
      fc.property(fc.array(groups, { minLength: 1, maxLength: 4 }), (list) => {
        const gatherer = new LogGatherer();
        for (const group of list) {
          const analysis = analyzeGroup(group);
          const credit = (['grpo', 'lambda-grpo'] as const).map((name) => publishedCredit(name, analysis));
          gatherer.add(group, analysis, credit);
        }
        const { all, steps } = gatherer.result();
        const [grpo, lambdaGrpo] = all.credit;
        for (const sign of ['up', 'down'] as const) {
          expect(grpo.mass[sign]).toBeCloseTo(all.mass[sign], 9);
          expect(lambdaGrpo.mass[sign]).toBeCloseTo(all.lambdaMass[sign], 9);
          expect(grpo.byDepth.map((depth) => depth[sign])).toEqual(
            all.byDepth.map((depth) => expect.closeTo(depth[sign], 9)),
          );
        }
        expect({ good: grpo.good, bad: grpo.bad, reversed: grpo.reversed }).toEqual({
          good: all.good,
          bad: all.bad,
          reversed: 0,
        });
        expect(steps[0].figures.credit).toEqual(all.credit);
      }),
      { numRuns: 200 },
    );
  });
});

it('the report has a card for each rule, with the figures of the summary’s table', () => {
  const gatherer = new LogGatherer();
  for (const group of fc.sample(groups, { numRuns: 30, seed: 3 })) {
    const analysis = analyzeGroup(group);
    const credit = (['grpo', 'tempo'] as const).map((name) => publishedCredit(name, analysis));
    gatherer.add(group, analysis, credit);
  }
  const analysis = gatherer.result();
  const html = diagnosticCards(analysis);
  const { header, rows } = creditRows(analysis.all.credit);
  expect(rows.map(([rule]) => rule)).toEqual(['GRPO', 'TEMPO']);
  for (const row of rows) {
    expect(row).toHaveLength(header.length);
    expect(html).toContain(`<dt>${row[0]}</dt><dd><span class="value">${row[1]} up</span>`);
    expect(html).toContain(`good ↓ ${row[9]}, bad ↑ ${row[10]}`);
    // Shares by depth are of the whole.
    const depths = row.slice(3, 8).map((value) => Number(value.replace('%', '')));
    expect(depths.reduce((a, b) => a + b, 0)).toBeCloseTo(100, 0);
  }
  const bare = new LogGatherer();
  expect(diagnosticCards(bare.result())).not.toContain('Under credit rules');
});

describe('weights with rules', () => {
  const list = fc.sample(groups, { numRuns: 12, seed: 9 });
  const rules = ['tempo', 'spo-tree'] as const;
  const write = async (path: string): Promise<void> => {
    const writer = await WeightsWriter.open(path, rules);
    for (const group of list) {
      const analysis = analyzeGroup(group);
      await writer.add(
        group,
        analysis,
        rules.map((name) => publishedCredit(name, analysis)),
      );
    }
    await writer.close();
  };
  const expected = list.flatMap((group) => {
    const literal = literalOf(group);
    return group.completions.map(({ tokens, mask }, i) => {
      const values = rules.map((name) => [...tokens].map((_, t) => LITERAL[name](literal, i, t)));
      const near = (numbers: readonly number[]) => numbers.map((value) => expect.closeTo(value, 5));
      return {
        tempo_advantages: near(values[0].map(({ advantage }) => advantage)),
        tempo_scale: near(values[0].map(({ factor }) => factor)),
        spo_tree_advantages: near(values[1].map(({ advantage }) => advantage)),
        spo_tree_scale: near(values[1].map(({ factor }) => factor)),
        // The first rule's, of sampled tokens alone.
        advantages: near(
          values[0]
            .filter((_, t) => !mask || mask[t] === 1)
            .map(({ advantage, factor }) => advantage * factor),
        ),
      };
    });
  });

  it('are the literal advantages and factors, as JSON lines and as Parquet', async () => {
    expect(list.some(({ completions }) => completions.some(({ mask }) => mask?.length))).toBe(true);
    const lines = join(folder, 'w.jsonl');
    await write(lines);
    const rows = (await readFile(lines, 'utf8')).trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row))).toEqual(expected.map((row) => expect.objectContaining(row)));
    const parquet = join(folder, 'w.parquet');
    await write(parquet);
    const instance = await DuckDBInstance.create();
    const db = await instance.connect();
    const read = (await db.runAndReadAll(`FROM read_parquet('${parquet}')`)).getRowObjectsJson();
    db.closeSync();
    instance.closeSync();
    expect(read).toEqual(expected.map((row) => expect.objectContaining(row)));
  });

  it('of other rules than the file’s are refused', async () => {
    const writer = await WeightsWriter.open(join(folder, 'other.jsonl'), rules);
    const analysis = analyzeGroup(list[0]);
    const credit = [publishedCredit('tempo', analysis)];
    await expect(writer.add(list[0], analysis, credit)).rejects.toThrow(
      'expected the group under the rules tempo, spo-tree',
    );
    await writer.abort();
  });
});

describe('rules that analyze is given', () => {
  it('may be modules: what they return is parted among the copies', async () => {
    const path = join(folder, 'mine.mjs');
    await writeFile(
      path,
      `export const coefficients = (tree, rewards, { advantages, weights }) => {
         const plus = new Array(tree.nodeCount).fill(0), minus = [...plus];
         for (let i = 0; i < tree.groupSize; i++) for (let n = tree.leaf[i]; n >= 0; n = tree.parent[n]) {
           const value = weights[i] * advantages[i] / tree.size[n];
           if (value > 0) plus[n] += value; else minus[n] += value;
         }
         return { plus, minus };
       };`,
    );
    const [mine] = await openRules([path]);
    for (const group of fc.sample(groups, { numRuns: 40, seed: 1 })) {
      const analysis = analyzeGroup(group);
      const theirs = publishedCredit('lambda-grpo', analysis);
      const credit: GroupCredit = await mine.credit(analysis, 'group g');
      expect(credit.rule).toBe('mine');
      theirs.push.forEach((push, node) => {
        expect(credit.push[node]).toBeCloseTo(push, 9);
      });
      group.completions.forEach(({ tokens }, i) => {
        const { advantages } = tokenCredit(analysis.tree, i, credit);
        [...tokens].forEach((_, t) => {
          const node = analysis.tree.nodeAt(i, t);
          expect(advantages[t]).toBeCloseTo(theirs.push[node] / analysis.tree.size[node], 9);
        });
      });
    }
  });

  it.each([
    [['temppo'], /^objective\.credit: expected a rule \(grpo, .*got 'temppo'/],
    [['tempo', 'grpo', 'tempo'], /^--credit: expected each rule once, got 'tempo' twice$/],
    [['spo-tree', 'elsewhere/spo_tree.mjs'], /^--credit: expected each rule once, got 'spo_tree' twice$/],
  ])('that make no sense are one line: %j', async (names, line) => {
    await expect(openRules(names)).rejects.toThrow(line);
  });

  it('that return no coefficients are one line with file and group', async () => {
    const path = join(folder, 'short.mjs');
    await writeFile(path, 'export const coefficients = () => ({ plus: [], minus: [] });');
    const [rule] = await openRules([path]);
    const analysis = analyzeGroup(fc.sample(groups, { numRuns: 1, seed: 2 })[0]);
    await expect(rule.credit(analysis, 'group q7')).rejects.toThrow(
      /short\.mjs: coefficients of group q7: plus: expected \d+ numbers, one for each node, got 0$/,
    );
  });
});
