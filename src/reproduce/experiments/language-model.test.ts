import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { reproduce } from '../reproduce.js';
import { ResultStore } from '../results.js';
import type { Unit } from '../unit.js';
import type { TrainFigures } from '../work/index.js';
import { type CaseData, languageModel, languageModelVerdict, type Outcome } from './language-model.js';

const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-language-model-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const settings = languageModel.settings({ quick: false });
const modelFolder = (name: string, weights: string): string => {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'model.safetensors'), weights);
  return path;
};

describe('units', () => {
  it('come case by case and seed by seed: whenever a run of the experiment ends, whole seeds of a case are done', () => {
    const units = languageModel.units(settings, { pretrained: true });
    // Cases, methods, rates, seeds.
    expect(units).toHaveLength(3 * 3 * 2 * 5);
    expect(new Set(units.map(({ id }) => id)).size).toBe(units.length);
    const places = units.map(({ spec }) => {
      if (spec.kind !== 'train' || spec.config.task.name !== 'module')
        throw new TypeError('not of this experiment');
      const { digits, end_at_answer: end } = spec.config.task.options;
      return -Number(digits) * 100 - (end ? 50 : 0) + spec.config.seed;
    });
    expect(places).toEqual([...places].sort((a, b) => a - b));
    // Fewer seeds are the first ones of more seeds, so a longer run reuses a shorter one.
    const fewer = languageModel.units(languageModel.settings({ quick: false, seeds: 2 }), {
      pretrained: true,
    });
    const ids = new Set(units.map(({ id }) => id));
    expect(fewer.every(({ id }) => ids.has(id))).toBe(true);
  });

  it('are named by the weights, not by the folder that they lie in', () => {
    const [a, copy, other] = [
      modelFolder('a', 'weights'),
      modelFolder('copy', 'weights'),
      modelFolder('other', 'weightz'),
    ];
    const ids = (pretrained: string) => languageModel.units(settings, { pretrained }).map(({ id }) => id);
    expect(ids(copy)).toEqual(ids(a));
    const first = new Set(ids(a));
    expect(ids(other).some((id) => first.has(id))).toBe(false);
    expect(() => ids(join(folder))).toThrow(/--pretrained: .*: expected a folder with model.safetensors/);
  });
});

/** A run with these accuracies at its evaluations. */
const outcome = (...accuracy: number[]): Outcome => ({
  accuracy,
  success: [0],
  entropy: [1],
  length: [9],
  rescale: null,
});
/** Five seeds; each method's best accuracies are at the first rate, half of them at the second. */
function caseOf(grpo: number[], lambda: number[], endAtAnswer = true): CaseData {
  const runs = (best: number[]) => [
    best.map((v) => outcome(0, v, v / 2)),
    best.map((v) => outcome(0, v / 2)),
  ];
  return {
    task: 'one-digit',
    endAtAnswer,
    seeds: grpo.map((_, seed) => seed),
    runs: { grpo: runs(grpo), rescaled: runs(grpo), 'lambda-grpo': runs(lambda) },
  };
}
const dataOf = (...cases: CaseData[]) => ({
  weights: null,
  evaluated: [0, 8, 16],
  heldOut: { 'one-digit': 40, 'two-digit': 61 },
  cases,
});

describe('the rule', () => {
  const low = [0.4, 0.42, 0.44, 0.41, 0.43];
  const high = low.map((v, i) => v + 0.1 + 0.01 * i);

  it('wants λ-GRPO better in every case, in some and never worse, or else it does not hold', () => {
    const better = caseOf(low, high);
    const same = caseOf(low, [...low].reverse());
    const worse = caseOf(high, low);
    const verdict = (...cases: CaseData[]) => languageModelVerdict(5, cases.length, dataOf(...cases));
    expect(verdict(better, better)).toBe('holds');
    expect(verdict(better, same)).toBe('holds in part');
    expect(verdict(better, worse)).toBe('does not hold here');
    expect(verdict(same, same)).toBe('does not hold here');
  });

  it('is not applied before all seeds of all cases are there', () => {
    expect(languageModelVerdict(5, 2, dataOf(caseOf(low, high)))).toBe('not decided yet');
    expect(languageModelVerdict(6, 1, dataOf(caseOf(low, high)))).toBe('not decided yet');
  });
});

it('a page says how many seeds it is made of, and of one seed no interval', () => {
  const page = (caseData: CaseData) => languageModel.report(settings, dataOf(caseData));
  const whole = page(caseOf([0.4, 0.42, 0.44, 0.41, 0.43], [0.5, 0.53, 0.55, 0.53, 0.56]));
  expect(whole.summary).toMatch(
    /\(5 seeds\): best accuracy of λ-GRPO less GRPO’s \+0\.114 ± 0\.\d+ \(above 0\)/,
  );
  // The peak is the second evaluation of each run.
  expect(whole.body).toMatch(/^\| GRPO \| 0\.420 \| 0\.210 \| 0\.420 \[[\d., ]+\] \| 8 \|/m);
  const single = page(caseOf([0.4], [0.5]));
  expect(single.summary).toContain('(1 seed): best accuracy of λ-GRPO less GRPO’s +0.100, less');
  expect(single.body).toContain('1 seed of 5;');
  expect(`${single.body}${single.summary}`).not.toMatch(/NaN|undefined|Infinity/);
});

describe('so far', () => {
  const version = '0.1.0';
  const figures: TrainFigures = {
    late: 0.3,
    success: [0.2, 0.3],
    entropy: [2, 1],
    length: [12, 11],
    gradNorm: [1, 1],
    rescale: [],
    pathDepth: [1, 1],
    intermediate: [0.1, 0.1],
    flat: [0, 0],
    zeroVariance: [0, 0],
    evaluations: [
      [0, 0.1],
      [8, 0.5],
    ],
  };
  const places = { pretrained: true } as const;
  const look = (work: string, experiment = languageModel as Parameters<typeof reproduce>[0]['experiment']) =>
    reproduce({ experiment, quick: false, places, work, out: join(work, 'results'), soFar: true });

  it('makes the page of complete seeds alone, while another process goes on', async () => {
    const work = join(folder, 'work');
    const store = await ResultStore.open(work, version);
    const units = languageModel.units(settings, places) as readonly Unit[];
    // One seed of the first case, and a part of the next.
    for (const u of units.slice(0, 6 + 5)) await store.add(u, 10, figures);
    const report = await look(work);
    expect(report?.verdict).toBe('not decided yet');
    expect(report?.summary.match(/\(1 seed\)/g)).toHaveLength(1);
    expect(readFileSync(report?.page ?? '', 'utf8')).toContain('> So far: 11 of 90 units of work are done.');
    await store.add(units[6 + 5], 10, figures);
    expect((await look(work))?.summary).toContain('ended at the answer (2 seeds)');
  });

  it('says in one line what it cannot do', async () => {
    await expect(look(join(folder, 'nothing'))).rejects.toThrow(
      /^--so-far: .*nothing: expected units of language-model that are done, got none$/,
    );
    const { theorem } = await import('./theorem.js');
    await expect(look(join(folder, 'nothing'), theorem)).rejects.toThrow(/complete seeds, got theorem$/);
  });
});
