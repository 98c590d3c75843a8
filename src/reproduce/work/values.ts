/**
 * A unit of work: the quality of the process rewards of a policy's groups. Groups are sampled from a policy. Each step
 * λ of their trees has an estimate R̂(λ), the mean reward of its members, and a true value, the value V of its prefix
 * under the same policy (truth.ts). The unit keeps sums over steps (step-figures.ts); shares and means are computed
 * over all seeds.
 */
import type { Engine, SamplingOptions } from '../../engine/index.js';
import { Stream } from '../../random/stream.js';
import { mean } from '../../statistics/index.js';
import type { Problem, Task } from '../../task/index.js';
import { openTrained } from '../../train/index.js';
import { rounded } from '../markdown.js';
import { Interrupted, type WorkContext } from './context.js';
import {
  CLASSES,
  drawSteps,
  firstKey,
  groupSteps,
  type Measured,
  prefixKey,
  type SizeSums,
  type Step,
  sizeSums,
} from './step-figures.js';
import { runFolder } from './train.js';
import { exactTruth, rewardOf, sampledTruth, samplingOptions, type Truth } from './truth.js';

export interface ValuesSpec {
  readonly kind: 'values';
  /** Id of the unit that saved the policy. */
  readonly policy: string;
  /** Seed of problems, samples and draws. */
  readonly seed: number;
  /** Group sizes, k. */
  readonly sizes: readonly number[];
  readonly problems: number;
  /** Completions of each problem, for each group size; they are divided into groups. */
  readonly pool: number;
  /** Whether groups of all sizes use the same completions. */
  readonly shared: boolean;
  /** Number of prefixes in each class of |λ| whose value is computed, for each group size; null: all. */
  readonly prefixes: readonly number[] | null;
  /** New completions for each value; 0: exact, for the binary tree. */
  readonly rollouts: number;
  /** Whether values after a step's last token are computed too. */
  readonly ends: boolean;
}

export interface ValuesFigures {
  /** Mean value of the prompts. */
  readonly value: number;
  readonly sizes: readonly SizeSums[];
}

/** Indices that training does not reach; a task with few problems repeats them there. */
const FIRST_PROBLEM = 1_000_000;
const PROBLEMS_OF_A_SEED = 10_000;
const NOTHING = new Int32Array(0);
const ALL = CLASSES.map(() => Number.POSITIVE_INFINITY);

export async function runValues(spec: ValuesSpec, context: WorkContext): Promise<ValuesFigures> {
  const { engine, task, config } = await openTrained(runFolder(context.folder, spec.policy), undefined, {
    threads: 1,
  });
  try {
    const options = { ...samplingOptions(task, config, spec.seed), signal: context.signal };
    const truth =
      spec.rollouts > 0
        ? sampledTruth(engine, task, options, spec.rollouts)
        : await exactTruth(engine, task, config);
    return await valuesOf(engine, task, spec, options, truth, context);
  } catch (error) {
    throw context.signal?.aborted ? new Interrupted() : error;
  } finally {
    await engine.dispose();
  }
}

async function valuesOf(
  engine: Engine,
  task: Task,
  spec: ValuesSpec,
  options: SamplingOptions,
  truth: Truth,
  context: WorkContext,
): Promise<ValuesFigures> {
  const problems = await Promise.all(
    Array.from({ length: spec.problems }, (_, i) =>
      task.trainProblem(FIRST_PROBLEM + PROBLEMS_OF_A_SEED * spec.seed + i),
    ),
  );
  const pools = new Map<string | number, Promise<Pool[]>>();
  const poolsFor = (k: number): Promise<Pool[]> => {
    const name = spec.shared ? 'pool' : k;
    const pool = pools.get(name) ?? samplePools(engine, task, spec, options, problems, name);
    pools.set(name, pool);
    return pool;
  };
  const order = (key: string): number => new Stream(spec.seed, 'values', 'draw', key).uniform();
  const populations: { k: number; steps: Step[]; drawn: (Step & { weight: number })[] }[] = [];
  for (const k of spec.sizes) {
    const steps = stepsOf(await poolsFor(k), k);
    populations.push({ k, steps, drawn: drawSteps(steps, spec.prefixes ?? ALL, order) });
  }
  context.progress(0.1);

  // Each prefix once, whichever groups contain it.
  const wanted = new Map<string, { problem: number; tokens: Int32Array }>();
  const want = (problem: number, tokens: Int32Array): void => {
    wanted.set(prefixKey(problem, tokens), { problem, tokens });
  };
  problems.forEach((_, i) => {
    want(i, NOTHING);
  });
  for (const step of populations.flatMap(({ drawn }) => drawn)) {
    want(step.problem, step.path.slice(0, step.start + 1));
    if (spec.ends) want(step.problem, step.path);
  }
  const keys = [...wanted.keys()];
  const values = await truth(
    [...wanted.values()].map(({ problem, tokens }) => ({ problem: problems[problem], tokens })),
    (count) => context.progress(0.1 + (0.9 * count) / keys.length),
  );
  const known = new Map(keys.map((key, i) => [key, values[i]]));
  const valueAt = (key: string): Measured['first'] => {
    const value = known.get(key);
    if (!value) throw new RangeError(`no value of prefix ${key}`);
    return value;
  };
  const prompts = problems.map((_, i) => valueAt(prefixKey(i, NOTHING)));
  return {
    value: rounded(mean(prompts.map((prompt) => prompt.mean)), 5),
    sizes: populations.map(({ k, steps, drawn }) =>
      sizeSums(
        k,
        steps,
        drawn.map((step) => ({
          ...step,
          first: valueAt(firstKey(step)),
          last: spec.ends ? valueAt(prefixKey(step.problem, step.path)) : null,
          prompt: prompts[step.problem],
        })),
      ),
    ),
  };
}

/** Completions of one problem and their rewards. */
interface Pool {
  readonly completions: readonly Int32Array[];
  readonly rewards: readonly number[];
}

async function samplePools(
  engine: Engine,
  task: Task,
  spec: ValuesSpec,
  options: SamplingOptions,
  problems: readonly Problem[],
  name: string | number,
): Promise<Pool[]> {
  const { completions } = await engine.sample(
    problems.map(({ promptTokens }, i) => ({
      prompt: promptTokens,
      count: spec.pool,
      key: ['values', name, i],
    })),
    options,
  );
  return Promise.all(
    problems.map(async (problem, i) => {
      const tokens = completions[i].map((completion) => completion.tokens);
      const rewards = await Promise.all(tokens.map((completion) => rewardOf(task, problem, completion)));
      return { completions: tokens, rewards };
    }),
  );
}

/** Steps of all groups of k completions into which the pools are divided. */
function stepsOf(pools: readonly Pool[], k: number): Step[] {
  return pools.flatMap(({ completions, rewards }, problem) =>
    Array.from({ length: Math.floor(completions.length / k) }, (_, group) => {
      const [from, to] = [group * k, (group + 1) * k];
      return groupSteps(problem, completions.slice(from, to), rewards.slice(from, to));
    }).flat(),
  );
}
