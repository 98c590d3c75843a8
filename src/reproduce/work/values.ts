/**
 * How good the process rewards of a policy's groups are, as a unit of work. Groups are sampled from a policy at some stage of its
 * training; each step λ of their trees has an estimate R̂(λ), the mean reward of its members, and a truth, the value V of a
 * prefix under the same policy: exact on the binary tree, from fresh completions elsewhere.
 */
import type { Engine, PolicyOptions } from '../../engine/index.js';
import { remove } from '../../files/index.js';
import { groupAdvantages, stepAdvantages, stepRewards } from '../../objective/index.js';
import { Stream } from '../../random/stream.js';
import { mean, sum } from '../../statistics/index.js';
import type { Problem, Task } from '../../task/index.js';
import { type Config, openTrained, run } from '../../train/index.js';
import { ProcessTree, packedIndices, packTree } from '../../tree/index.js';
import { rounded } from '../markdown.js';
import { Interrupted, type WorkContext } from './context.js';
import { runFolder, startCheckpoint } from './train.js';

export interface ValuesSpec {
  readonly kind: 'values';
  /** Trains the policy: its steps are the stage that is looked at. */
  readonly config: Config;
  /** Id of the warm-up that it starts from; null: the run's own start. */
  readonly start: string | null;
  /** Group sizes, k. */
  readonly sizes: readonly number[];
  /** Groups of each size. */
  readonly groups: number;
  /** Steps of each group whose value is looked for, drawn at random; a group with fewer: all. */
  readonly steps: number;
  /** Fresh completions for each value; 0: exact, for the binary tree. */
  readonly rollouts: number;
}

/** Decimals of figures. */
const DIGITS = 5;

/** Classes of |λ|: up to so many members, the last one without bound. */
export const CLASSES = [1, 2, 4, 8, 16, Number.POSITIVE_INFINITY] as const;

/** Of the steps of one class, in the groups of one size. */
export interface ClassFigures {
  /** Place in `CLASSES`. */
  readonly size: number;
  readonly steps: number;
  /** Mean of R̂ − V, V the value after the step's first token: the one in which it differs from its siblings. */
  readonly bias: number;
  /** Mean of (R̂ − V)². */
  readonly error: number;
  /** Mean of Var(reward | prefix)/|λ|: the error of as many independent completions. */
  readonly limit: number;
  /** Mean of R̂ − V, V the value after the step's last token. */
  readonly biasAtEnd: number;
  /** Steps whose value is above or below the prompt's for sure. */
  readonly decided: number;
  /** Those of them whose advantage has the other sign. */
  readonly wrong: number;
}

/** Groups of one size. */
export interface SizeFigures {
  readonly k: number;
  readonly classes: readonly ClassFigures[];
  /** Spearman's correlation of R̂ and V over the steps; null: one of them is the same everywhere. */
  readonly rank: number | null;
  /** Share of the decided steps' gradient mass, Σ weight·tokens·|Â|, with the wrong sign; null: there is no such mass. */
  readonly wrongMass: { readonly grpo: number; readonly 'lambda-grpo': number } | null;
}

export interface ValuesFigures {
  /** Value of the prompts, mean. */
  readonly value: number;
  readonly sizes: readonly SizeFigures[];
}

/** A value with the variance of one completion's reward and of the value's own estimate. */
interface Value {
  readonly mean: number;
  readonly variance: number;
  readonly uncertainty: number;
}

/** One step of a group. */
interface Measured {
  readonly size: number;
  readonly tokens: number;
  readonly reward: number;
  readonly advantage: number;
  readonly first: Value;
  readonly last: Value;
  readonly prompt: Value;
}

export async function runValues(spec: ValuesSpec, context: WorkContext): Promise<ValuesFigures> {
  const { start, config } = spec;
  const out = runFolder(context.folder, context.id);
  await remove(out);
  const trains = start === null || config.train.steps > 0;
  if (trains) {
    const { interrupted } = await run({
      config,
      out,
      from: start === null ? undefined : startCheckpoint(context.folder, start),
      threads: 1,
      signal: context.signal,
      observer: { step: ({ step }, of) => context.progress((0.3 * step) / of) },
    });
    if (interrupted) throw new Interrupted();
  }
  const { engine, task } = await openTrained(trains ? out : runFolder(context.folder, start), undefined, {
    threads: 1,
  });
  try {
    const values =
      spec.rollouts > 0 ? sampledValues(engine, task, spec) : await exactValues(engine, task, spec);
    const prompts: number[] = [];
    const sizes: SizeFigures[] = [];
    for (const [i, k] of spec.sizes.entries()) {
      const steps: Measured[] = [];
      for (let group = 0; group < spec.groups; group++) {
        if (context.signal?.aborted) throw new Interrupted();
        const measured = await measureGroup(engine, task, spec, k, group, values);
        prompts.push(measured.prompt.mean);
        steps.push(...measured.steps);
        context.progress(0.3 + (0.7 * (i + (group + 1) / spec.groups)) / spec.sizes.length);
      }
      sizes.push(figuresOf(k, steps));
    }
    return { value: rounded(mean(prompts), DIGITS), sizes };
  } finally {
    await engine.dispose();
    await remove(out);
  }
}

type ValueOf = (problem: Problem, prefix: Int32Array) => Promise<Value>;

async function measureGroup(
  engine: Engine,
  task: Task,
  spec: ValuesSpec,
  k: number,
  group: number,
  truth: ValueOf,
): Promise<{ prompt: Value; steps: Measured[] }> {
  const problem = await task.trainProblem(1_000_000 + group);
  const { completions } = await engine.sample(
    [{ prompt: problem.promptTokens, count: k, key: ['values', k, group] }],
    { ...policyOf(task, spec), maxTokens: task.maxCompletionTokens },
  );
  const tokens = completions[0].map((completion) => completion.tokens);
  const tree = ProcessTree.build(tokens);
  const rewards = Float64Array.from(await Promise.all(tokens.map((c) => rewardOf(task, problem, c))));
  const estimates = stepRewards(tree, rewards);
  const advantages = stepAdvantages(tree, groupAdvantages(rewards));
  const nodes = Array.from({ length: tree.nodeCount }, (_, node) => node).filter(
    (node) => node > 0 && tree.end[node] > tree.start[node],
  );
  const stream = new Stream(spec.config.seed, 'values', 'steps', k, group);
  while (nodes.length > spec.steps) nodes.splice(stream.int(nodes.length), 1);
  const prompt = await truth(problem, new Int32Array(0));
  const steps: Measured[] = [];
  for (const node of nodes) {
    const path = tokens[tree.representative(node)];
    const [start, end] = [tree.start[node], tree.end[node]];
    const first = await truth(problem, path.slice(0, start + 1));
    steps.push({
      size: tree.size[node],
      tokens: end - start,
      reward: estimates[node],
      advantage: advantages[node],
      first,
      last: end === start + 1 ? first : await truth(problem, path.slice(0, end)),
      prompt,
    });
  }
  return { prompt, steps };
}

const policyOf = (task: Task, { config }: ValuesSpec) => ({
  temperature: config.sampling.temperature,
  topK: 0,
  topP: 1,
  seed: config.seed,
  stopTokens: task.stopTokens,
  allowedTokens: task.allowedTokens,
});

const rewardOf = async (task: Task, problem: Problem, completion: Int32Array): Promise<number> =>
  (await task.reward(problem, completion)).reward;

/** By completing the prefix anew. */
function sampledValues(engine: Engine, task: Task, spec: ValuesSpec): ValueOf {
  const { rollouts } = spec;
  return async (problem, prefix) => {
    const left = task.maxCompletionTokens - prefix.length;
    if (left === 0 || task.stopTokens.includes(prefix[prefix.length - 1])) {
      return { mean: await rewardOf(task, problem, prefix), variance: 0, uncertainty: 0 };
    }
    const { completions } = await engine.sample(
      [
        {
          prompt: Int32Array.of(...problem.promptTokens, ...prefix),
          count: rollouts,
          key: ['values', 'truth', problem.id, ...prefix],
        },
      ],
      { ...policyOf(task, spec), maxTokens: left },
    );
    const rewards = await Promise.all(
      completions[0].map(({ tokens }) => rewardOf(task, problem, Int32Array.of(...prefix, ...tokens))),
    );
    const center = mean(rewards);
    const variance = rewards.reduce((sum, reward) => sum + (reward - center) ** 2, 0) / (rollouts - 1);
    return { mean: center, variance, uncertainty: variance / rollouts };
  };
}

/** From the policy's probabilities of all paths of the binary tree. */
async function exactValues(engine: Engine, task: Task, { config }: ValuesSpec): Promise<ValueOf> {
  const turns = task.allowedTokens ?? [];
  let paths: number[][] = [[]];
  for (let depth = 0; depth < task.maxCompletionTokens; depth++) {
    paths = paths.flatMap((path) => turns.map((turn) => [...path, turn]));
  }
  const problem = await task.trainProblem(0);
  const tree = ProcessTree.build(paths.map((path) => Int32Array.from(path)));
  const options: PolicyOptions = {
    temperature: config.sampling.temperature,
    allowedTokens: task.allowedTokens,
  };
  const { logprobs } = await engine.score([{ prompt: problem.promptTokens, tree }], 'current', options);
  const packed = packTree(tree, new Int32Array());
  const leaves = await Promise.all(
    tree.tokens.map(async (path, i) => ({
      path,
      probability: Math.exp(sum(Array.from(packedIndices(tree, packed, i), (at) => logprobs[0][at]))),
      reward: await rewardOf(task, problem, path),
    })),
  );
  return async (_, prefix) => {
    const below = leaves.filter(({ path }) => prefix.every((token, t) => path[t] === token));
    const total = sum(below.map(({ probability }) => probability));
    const value = below.reduce((sum, { probability, reward }) => sum + probability * reward, 0) / total;
    const variance =
      below.reduce((sum, { probability, reward }) => sum + probability * (reward - value) ** 2, 0) / total;
    return { mean: value, variance, uncertainty: 0 };
  };
}

function figuresOf(k: number, steps: readonly Measured[]): SizeFigures {
  const classOf = ({ size }: Measured): number => CLASSES.findIndex((most) => size <= most);
  const classes = CLASSES.flatMap((_, size) => {
    const own = steps.filter((step) => classOf(step) === size);
    if (own.length === 0) return [];
    const average = (value: (step: Measured) => number): number => rounded(mean(own.map(value)), DIGITS);
    const decided = own.filter(isDecided);
    return {
      size,
      steps: own.length,
      bias: average(({ reward, first }) => reward - first.mean),
      // What the truth itself is unsure of is not the estimate's error.
      error: average(({ reward, first }) => (reward - first.mean) ** 2 - first.uncertainty),
      limit: average(({ size: members, first }) => first.variance / members),
      biasAtEnd: average(({ reward, last }) => reward - last.mean),
      decided: decided.length,
      wrong: decided.filter(isWrong).length,
    };
  });
  const decided = steps.filter(isDecided);
  const wrongShare = (weight: (step: Measured) => number): number => {
    const mass = (list: readonly Measured[]): number =>
      list.reduce((sum, step) => sum + weight(step) * step.tokens * Math.abs(step.advantage), 0);
    const all = mass(decided);
    return rounded(mass(decided.filter(isWrong)) / all, DIGITS);
  };
  return {
    k,
    classes,
    rank: rankCorrelation(
      steps.map(({ reward }) => reward),
      steps.map(({ first }) => first.mean),
    ),
    wrongMass: decided.some(({ advantage }) => advantage !== 0)
      ? { grpo: wrongShare(({ size }) => size), 'lambda-grpo': wrongShare(() => 1) }
      : null,
  };
}

/** Whether a step's value differs from the prompt's by more than twice the standard error of their difference. */
function isDecided({ first, prompt }: Measured): boolean {
  return (
    Math.abs(first.mean - prompt.mean) > Math.max(1e-9, 2 * Math.sqrt(first.uncertainty + prompt.uncertainty))
  );
}

/** Whether the advantage pushes the other way, away from 0. */
function isWrong({ advantage, first, prompt }: Measured): boolean {
  return advantage * (first.mean - prompt.mean) < 0;
}

/** Spearman's ρ, ties at their mean rank. @returns null where all values of a side are equal */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)];
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((value, i) => {
    xy += (value - mx) * (y[i] - my);
    xx += (value - mx) ** 2;
    yy += (y[i] - my) ** 2;
  });
  return xx > 0 && yy > 0 ? rounded(xy / Math.sqrt(xx * yy), DIGITS) : null;
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const out = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let i = from; i < to; i++) out[order[i]] = (from + to - 1) / 2;
    from = to;
  }
  return out;
}
