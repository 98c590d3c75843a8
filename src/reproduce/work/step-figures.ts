/**
 * Statistics of the steps of many groups; pure functions. True values take long to compute, so only some of the steps
 * in each class of |λ| are measured: first tokens (a prefix with its problem) are drawn at random without replacement,
 * and every step that begins with a drawn one is measured, weighted by the inverse of its probability. Weighted sums
 * are unbiased estimates of the sums over all steps.
 */
import { groupAdvantages, stepAdvantages, stepRewards } from '../../objective/index.js';
import { ProcessTree } from '../../tree/index.js';
import { rounded } from '../markdown.js';

/** Classes of |λ|, given by their largest size; the last class has no upper bound. */
export const CLASSES = [1, 2, 4, 8, 16, Number.POSITIVE_INFINITY] as const;

/** Index in `CLASSES`. */
export const classOf = (members: number): number => CLASSES.findIndex((most) => members <= most);

/** A step of a group's tree, except the root's. */
export interface Step {
  /** Index of its problem. */
  readonly problem: number;
  /** Tokens of a completion up to the step's last. */
  readonly path: Int32Array;
  /** Tokens before the step. */
  readonly start: number;
  /** |λ| */
  readonly size: number;
  /** R̂(λ) */
  readonly reward: number;
  /** Â(λ) */
  readonly advantage: number;
}

/** A value with the variance of one completion's reward and the variance of the estimate itself. */
export interface Value {
  readonly mean: number;
  readonly variance: number;
  readonly uncertainty: number;
}

/** A step with its true values. */
export interface Measured extends Step {
  /** The inverse of the probability that it was drawn. */
  readonly weight: number;
  /** Value after the first token, by which the step differs from its siblings. */
  readonly first: Value;
  /** Value after the last token; null: not computed. */
  readonly last: Value | null;
  /** Value of the prompt. */
  readonly prompt: Value;
}

/** Weighted sums over the measured steps of one class, in the groups of one size. */
export interface ClassSums {
  /** Index in `CLASSES`. */
  readonly size: number;
  /** Number of steps, and of measured steps. */
  readonly steps: number;
  readonly measured: number;
  /** Sum of the weights, about `steps`. */
  readonly weight: number;
  /** Sum of R̂ − V after the first token. */
  readonly bias: number;
  /** Sum of (R̂ − V)², minus the variance of the estimated truth. */
  readonly error: number;
  /** Sum of Var(reward | prefix)/|λ|: the squared error of as many independent completions. */
  readonly limit: number;
  /** Sum of R̂ − V after the last token; null: not computed. */
  readonly biasAtEnd: number | null;
  /**
   * Steps with Â ≠ 0; of these, steps whose value is certainly above or below the prompt's; of these, steps with the
   * wrong sign.
   */
  readonly signed: number;
  readonly decided: number;
  readonly wrong: number;
  /** Spearman's correlation of R̂ and V; null: one of them is constant. */
  readonly rank: number | null;
}

/** Weighted sums of gradient mass, factor · tokens · |Â|. */
export interface MassSums {
  readonly all: number;
  readonly decided: number;
  readonly wrong: number;
}

/** Groups of one size. */
export interface SizeSums {
  readonly k: number;
  readonly classes: readonly ClassSums[];
  /** Over the steps of all classes. */
  readonly rank: number | null;
  readonly mass: { readonly grpo: MassSums; readonly 'lambda-grpo': MassSums };
}

/** @param completions of one group, [k]; @param rewards [k] */
export function groupSteps(
  problem: number,
  completions: readonly Int32Array[],
  rewards: ArrayLike<number>,
): Step[] {
  const tree = ProcessTree.build(completions);
  const outcomes = Float64Array.from(rewards);
  const estimates = stepRewards(tree, outcomes);
  const advantages = stepAdvantages(tree, groupAdvantages(outcomes));
  const steps: Step[] = [];
  for (let node = 1; node < tree.nodeCount; node++) {
    const [start, end] = [tree.start[node], tree.end[node]];
    if (end === start) continue;
    const path = completions[tree.representative(node)].subarray(0, end);
    steps.push({
      problem,
      path,
      start,
      size: tree.size[node],
      reward: estimates[node],
      advantage: advantages[node],
    });
  }
  return steps;
}

/** Key of a prefix of a problem's completions. */
export const prefixKey = (problem: number, prefix: Int32Array): string => `${problem}:${prefix.join(',')}`;

/** Key of a step's first token together with everything before it. */
export const firstKey = ({ problem, path, start }: Step): string =>
  prefixKey(problem, path.subarray(0, start + 1));

/**
 * Draws prefixes of each class and gives each of their steps its weight.
 * @param counts maximum number of prefixes in each class, [CLASSES]
 * @param order a uniform random number for each prefix: those with the smallest are drawn
 */
export function drawSteps(
  steps: readonly Step[],
  counts: readonly number[],
  order: (key: string) => number,
): (Step & { readonly weight: number })[] {
  return CLASSES.flatMap((_, size) => {
    const chosen = steps.filter((step) => classOf(step.size) === size);
    const keys = [...new Set(chosen.map(firstKey))];
    if (keys.length <= counts[size]) return chosen.map((step) => ({ ...step, weight: 1 }));
    const numbers = new Map(keys.map((key) => [key, order(key)]));
    const place = (key: string): number => numbers.get(key) ?? 0;
    const drawn = new Set(keys.sort((a, b) => place(a) - place(b)).slice(0, counts[size]));
    const weight = keys.length / drawn.size;
    return chosen.filter((step) => drawn.has(firstKey(step))).map((step) => ({ ...step, weight }));
  });
}

/** Decimal places of sums. */
const DIGITS = 6;

/** @param steps all steps; @param measured the drawn steps */
export function sizeSums(k: number, steps: readonly Step[], measured: readonly Measured[]): SizeSums {
  const classes = CLASSES.flatMap((_, size) => {
    const chosen = measured.filter((step) => classOf(step.size) === size);
    if (chosen.length === 0) return [];
    return classSums(size, steps.filter((step) => classOf(step.size) === size).length, chosen);
  });
  const mass = (factor: (step: Step) => number): MassSums => {
    const total = weighted(
      (step) => factor(step) * (step.path.length - step.start) * Math.abs(step.advantage),
    );
    return {
      all: total(measured),
      decided: total(measured.filter(isDecided)),
      wrong: total(measured.filter(isWrong)),
    };
  };
  return {
    k,
    classes,
    rank: rankOf(measured),
    mass: { grpo: mass(({ size }) => size), 'lambda-grpo': mass(() => 1) },
  };
}

function classSums(size: number, steps: number, chosen: readonly Measured[]): ClassSums {
  const total = (value: (step: Measured) => number): number => weighted(value)(chosen);
  const count = weighted(() => 1);
  const signed = chosen.filter(({ advantage }) => advantage !== 0);
  return {
    size,
    steps,
    measured: chosen.length,
    weight: count(chosen),
    bias: total(({ reward, first }) => reward - first.mean),
    // The estimate is independent of the truth's noise, so the noise adds to the square.
    error: total(({ reward, first }) => (reward - first.mean) ** 2 - first.uncertainty),
    limit: total(({ size: members, first }) => first.variance / members),
    biasAtEnd: chosen.some(({ last }) => last === null)
      ? null
      : total(({ reward, last }) => reward - (last as Value).mean),
    signed: count(signed),
    decided: count(signed.filter(isDecided)),
    wrong: count(signed.filter(isWrong)),
    rank: rankOf(chosen),
  };
}

const weighted =
  (value: (step: Measured) => number) =>
  (steps: readonly Measured[]): number =>
    rounded(
      steps.reduce((sum, step) => sum + step.weight * value(step), 0),
      DIGITS,
    );

/** Whether a step's value differs from the prompt's by more than twice the standard error of their difference. */
function isDecided({ first, prompt }: Measured): boolean {
  return (
    Math.abs(first.mean - prompt.mean) > Math.max(1e-9, 2 * Math.sqrt(first.uncertainty + prompt.uncertainty))
  );
}

/** Whether the advantage of a decided step has the wrong sign. */
function isWrong(step: Measured): boolean {
  return isDecided(step) && step.advantage * (step.first.mean - step.prompt.mean) < 0;
}

function rankOf(steps: readonly Measured[]): number | null {
  return rankCorrelation(
    steps.map(({ reward }) => reward),
    steps.map(({ first }) => first.mean),
    steps.map(({ weight }) => weight),
  );
}

/**
 * Spearman's ρ; ties get their mean rank.
 * @param weights number of equal pairs that each pair stands for; default 1
 * @returns null if all values of one side are equal
 */
export function rankCorrelation(
  a: readonly number[],
  b: readonly number[],
  weights: readonly number[] = a.map(() => 1),
): number | null {
  const [x, y] = [ranks(a, weights), ranks(b, weights)];
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const center = (values: readonly number[]): number =>
    values.reduce((sum, value, i) => sum + weights[i] * value, 0) / total;
  const [mx, my] = [center(x), center(y)];
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((value, i) => {
    xy += weights[i] * (value - mx) * (y[i] - my);
    xx += weights[i] * (value - mx) ** 2;
    yy += weights[i] * (y[i] - my) ** 2;
  });
  // For equal values, rounding leaves a small rest.
  const least = 1e-12 * total ** 3;
  return xx > least && yy > least ? rounded(xy / Math.sqrt(xx * yy), DIGITS) : null;
}

/** Weight below each value, and half the weight that is equal to it. */
function ranks(values: readonly number[], weights: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const out = new Array<number>(values.length);
  let rank = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    let equal = 0;
    while (to < order.length && values[order[to]] === values[order[from]]) equal += weights[order[to++]];
    for (let i = from; i < to; i++) out[order[i]] = rank + equal / 2;
    rank += equal;
    from = to;
  }
  return out;
}
