/**
 * A run on the paper's binary tree, step by step, on the given runtime: sample → reward → tree → coefficients → update,
 * all from the library. Each step also reports the policy before its update: the probability of every turn of the whole
 * tree.
 */
import {
  analyzeGroup,
  type Backend,
  type Config,
  createTask,
  learn,
  learningRateAt,
  ProcessTree,
  sampleStep,
  scoreGroups,
  stepBatch,
} from '../../src/core.js';
import { freshEngine } from './fresh-engine.js';

/** One step: the policy at its beginning, the sampled group, and the update. */
export interface StepRecord {
  /** From 1. */
  readonly step: number;
  /** ln π of each turn given those before it, the whole tree in depth-first order, L before R, [2 + 4 + … + 2^depth]. */
  readonly logprobs: readonly number[];
  /** Â(λ) of each of these turns; null if no completion of the group took it. */
  readonly advantages: readonly (number | null)[];
  /** The group's completions, as L and R, and their rewards. */
  readonly paths: readonly string[];
  readonly rewards: readonly number[];
  /** Share of the group's completions that equal the target. */
  readonly frequency: number;
  readonly loss: number;
  readonly gradNorm: number;
}

export interface TreeTraining {
  /** The target, as L and R. */
  readonly target: string;
  /** Number of turns in a path. */
  readonly depth: number;
  /** Takes the next step. */
  next(): Promise<StepRecord>;
  dispose(): Promise<void>;
}

export function startTraining(backend: Backend, config: Config): TreeTraining {
  const { objective, optimizer, sampling, seed } = config;
  const task = createTask(config.task, seed);
  const engine = freshEngine(backend, config, task);
  const policy = { temperature: sampling.temperature, allowedTokens: task.allowedTokens };
  const [problem] = task.heldOut;
  const depth = task.maxCompletionTokens;
  const whole = {
    prompt: problem.promptTokens,
    tree: ProcessTree.build(allPaths(depth, task.allowedTokens)),
  };
  let step = 0;
  let nextProblem = 0;
  return {
    target: problem.answer,
    depth,
    async next() {
      const [logprobs] = (await engine.score([whole], 'current', policy)).logprobs;
      step++;
      const sampled = await sampleStep({ config, task, engine }, step, nextProblem);
      nextProblem = sampled.nextProblem;
      const [{ completions }] = sampled.groups;
      const scored = scoreGroups(sampled.groups, objective);
      const batch = await stepBatch(engine, scored, objective, depth, policy);
      const { first, gradNorm } = await learn(engine, batch, {
        ...policy,
        objective,
        learningRate: learningRateAt(config, step),
        maxGradNorm: optimizer.max_grad_norm,
      });
      const paths = completions.map(({ tokens }) => task.vocabulary.decode(tokens));
      return {
        step,
        logprobs: [...logprobs],
        advantages: advantagesOn(whole.tree, completions),
        paths,
        rewards: completions.map(({ reward }) => reward),
        frequency: paths.filter((path) => path === problem.answer).length / paths.length,
        loss: first.loss,
        gradNorm: gradNorm ?? 0,
      };
    },
    dispose: () => engine.dispose(),
  };
}

/** Every path of L and R, L first. */
function allPaths(depth: number, [left, right]: readonly number[] = []): Int32Array[] {
  return Array.from({ length: 2 ** depth }, (_, path) =>
    Int32Array.from({ length: depth }, (_, turn) => ((path >> (depth - 1 - turn)) & 1 ? right : left)),
  );
}

/** Step advantages of a group, assigned to the turns of the whole tree. */
function advantagesOn(
  whole: ProcessTree,
  completions: readonly { readonly tokens: Int32Array; readonly reward: number }[],
): (number | null)[] {
  const { tree, stepAdvantages } = analyzeGroup({ completions });
  const nodes = Array.from({ length: whole.nodeCount }, (_, node) => node);
  return nodes.slice(1).map((node) => {
    const prefix = whole.tokens[whole.representative(node)].subarray(0, whole.end[node]);
    const member = completions.findIndex(({ tokens }) => prefix.every((turn, t) => tokens[t] === turn));
    return member < 0 ? null : stepAdvantages[tree.nodeAt(member, prefix.length - 1)];
  });
}
