/**
 * Rows of the page on process rewards, computed from sums of each seed. A figure is a ratio of two sums over all seeds
 * (bias: Σ(R̂ − V) divided by the number of steps). Its interval is Student's t over the seeds' linearised values, so a
 * seed with few steps has little weight, and n is the number of seeds that have any.
 */
import {
  confidenceInterval,
  type Interval,
  mean,
  type ShareInterval,
  shareInterval,
} from '../statistics/index.js';
import { rounded } from './markdown.js';
import { CLASSES, type ClassSums, type MassSums, type ValuesFigures } from './work/index.js';

/** Steps of one class of |λ|, over all seeds. */
export interface ClassRow {
  readonly k: number;
  /** Index in `CLASSES`. */
  readonly size: number;
  /** Number of steps, and of measured steps. */
  readonly steps: number;
  readonly measured: number;
  readonly bias: Interval;
  readonly biasAtEnd: Interval | null;
  readonly error: Interval;
  /** Var/|λ| */
  readonly limit: number;
  /** Error ÷ limit; null if the variance is 0. */
  readonly ratio: Interval | null;
  readonly rank: Interval | null;
  /**
   * Steps with Â ≠ 0 whose sign can be determined, and the share of them with the wrong sign; null if there are none.
   */
  readonly decided: ShareInterval | null;
  readonly wrong: ShareInterval | null;
}

/** Groups of one size, over all seeds. */
export interface SizeRow {
  readonly k: number;
  readonly rank: Interval | null;
  /** Null: no gradient mass whose sign can be determined. */
  readonly mass: {
    readonly grpo: MassRow;
    readonly lambda: MassRow;
    /** Difference of the share with wrong signs, λ-GRPO − GRPO, for the same groups. */
    readonly difference: Interval;
  } | null;
}

export interface MassRow {
  /** Share of all mass on steps whose sign can be determined. */
  readonly decided: ShareInterval;
  /** Share of this mass on wrong signs. */
  readonly wrong: ShareInterval;
}

/** One policy, or one policy per seed. */
export interface StageRows {
  readonly task: string;
  /** Training steps of the policy. */
  readonly stage: number;
  readonly value: Interval;
  readonly classes: readonly ClassRow[];
  readonly sizes: readonly SizeRow[];
}

/** Σ over all stages, group sizes and classes of a task. */
export interface TaskRow {
  readonly task: string;
  readonly bias: Interval;
  readonly ratio: Interval;
}

/** Sums of one seed. */
type Pair = readonly [above: number, below: number];

/** The ratio of the sums over all seeds, with each seed's linearised value, whose mean is the ratio. */
export function linearised(pairs: readonly Pair[]): number[] {
  const list = pairs.filter(([, denominator]) => denominator > 0);
  const denominator = mean(list.map((pair) => pair[1]));
  const ratio = mean(list.map((pair) => pair[0])) / denominator;
  return list.map(([numerator, part]) => ratio + (numerator - ratio * part) / denominator);
}

/** @returns null if every denominator is 0 */
export function ratioInterval(pairs: readonly Pair[]): Interval | null {
  return pairs.some(([, denominator]) => denominator > 0)
    ? short(confidenceInterval(linearised(pairs)))
    : null;
}

/** @param trials independent problems behind each seed's share */
function ratioShare(pairs: readonly Pair[], trials: number): ShareInterval | null {
  if (!pairs.some(([, denominator]) => denominator > 0)) return null;
  const { mean: center, low, high, count } = shareInterval(linearised(pairs), trials);
  return { mean: rounded(center), low: rounded(low), high: rounded(high), count };
}

/** @param problems number for each seed */
export function stageRows(
  task: string,
  stage: number,
  problems: number,
  seeds: readonly ValuesFigures[],
): StageRows {
  const ks = seeds[0].sizes.map(({ k }) => k);
  return {
    task,
    stage,
    value: short(confidenceInterval(seeds.map(({ value }) => value))),
    classes: ks.flatMap((k) =>
      CLASSES.flatMap((_, size) => {
        const list = classesOf(seeds, k, size);
        return list.length > 0 ? [classRow(k, size, problems, list)] : [];
      }),
    ),
    sizes: ks.map((k) => sizeRow(k, problems, seeds)),
  };
}

/** For each seed that has such steps. */
function classesOf(seeds: readonly ValuesFigures[], k: number, size: number): ClassSums[] {
  return seeds.flatMap(({ sizes }) =>
    sizes.filter((row) => row.k === k).flatMap(({ classes }) => classes.filter((sums) => sums.size === size)),
  );
}

function classRow(k: number, size: number, problems: number, list: readonly ClassSums[]): ClassRow {
  const average = (value: (sums: ClassSums) => number): Interval =>
    ratioInterval(list.map((sums) => [value(sums), sums.weight])) as Interval;
  const total = (value: (sums: ClassSums) => number): number =>
    list.reduce((sum, sums) => sum + value(sums), 0);
  const ends = list.every(({ biasAtEnd }) => biasAtEnd !== null);
  return {
    k,
    size,
    steps: total(({ steps }) => steps),
    measured: total(({ measured }) => measured),
    bias: average(({ bias }) => bias),
    biasAtEnd: ends ? average(({ biasAtEnd }) => biasAtEnd ?? 0) : null,
    error: average(({ error }) => error),
    limit: average(({ limit }) => limit).mean,
    ratio: ratioInterval(list.map(({ error, limit }) => [error, limit])),
    rank: meanOf(list.map(({ rank }) => rank)),
    decided: ratioShare(
      list.map(({ decided, signed }) => [decided, signed]),
      problems,
    ),
    wrong: ratioShare(
      list.map(({ wrong, decided }) => [wrong, decided]),
      problems,
    ),
  };
}

function sizeRow(k: number, problems: number, seeds: readonly ValuesFigures[]): SizeRow {
  const list = seeds.flatMap(({ sizes }) => sizes.filter((row) => row.k === k));
  const wrong = ({ wrong, decided }: MassSums): Pair => [wrong, decided];
  const massRow = (method: 'grpo' | 'lambda-grpo'): MassRow | null => {
    const sums = list.map(({ mass }) => mass[method]);
    const decided = ratioShare(
      sums.map((mass) => [mass.decided, mass.all]),
      problems,
    );
    const share = ratioShare(sums.map(wrong), problems);
    return decided && share ? { decided, wrong: share } : null;
  };
  const [grpo, lambda] = [massRow('grpo'), massRow('lambda-grpo')];
  const values = (method: 'grpo' | 'lambda-grpo'): number[] =>
    linearised(list.map(({ mass }) => wrong(mass[method])));
  return {
    k,
    rank: meanOf(list.map(({ rank }) => rank)),
    mass:
      grpo && lambda
        ? {
            grpo,
            lambda,
            difference: short(confidenceInterval(differences(values('lambda-grpo'), values('grpo')))),
          }
        : null,
  };
}

/** Both have mass on the same seeds, because no factor is 0. */
const differences = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, i) => value - b[i]);

/** The figures that the rule uses: all steps of a task that have variance. @param stages [stages][seeds] */
export function taskRow(task: string, stages: readonly (readonly ValuesFigures[])[]): TaskRow | null {
  const seeds = stages[0].map((_, seed) => {
    const sums = stages
      .flatMap((figures) => figures[seed].sizes.flatMap(({ classes }) => classes))
      .filter(({ limit }) => limit > 0);
    const total = (value: (row: ClassSums) => number): number =>
      sums.reduce((sum, row) => sum + value(row), 0);
    return {
      bias: [total(({ bias }) => bias), total(({ weight }) => weight)],
      ratio: [total(({ error }) => error), total(({ limit }) => limit)],
    } as const;
  });
  const bias = ratioInterval(seeds.map((pair) => pair.bias));
  const ratio = ratioInterval(seeds.map((pair) => pair.ratio));
  return bias && ratio ? { task, bias, ratio } : null;
}

function meanOf(values: readonly (number | null)[]): Interval | null {
  const list = values.filter((value) => value !== null);
  return list.length > 0 ? short(confidenceInterval(list)) : null;
}

const short = ({ mean: center, half, count }: Interval): Interval => ({
  mean: rounded(center),
  half: rounded(half),
  count,
});
