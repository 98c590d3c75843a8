/**
 * The groups of a step: problems, completions, rewards. With dynamic sampling (DAPO, arXiv:2503.14476) groups whose
 * rewards are all equal, which teach nothing, are replaced by those of further problems.
 */
import type { Engine } from '../engine/index.js';
import { hasZeroVariance } from '../objective/index.js';
import { UniqueIds } from '../rollouts/ids.js';
import type { Completion, Group } from '../rollouts/index.js';
import { type Problem, type RewardResult, type Task, TaskError } from '../task/index.js';
import type { Config } from './config.js';
import { sampleTrajectories, type Trajectory } from './trajectories.js';

export interface StepGroups {
  /** To be trained on, with the problem of each. */
  readonly groups: readonly Group[];
  readonly problems: readonly Problem[];
  /** All that were sampled, dropped ones too. */
  readonly sampled: readonly { readonly group: Group; readonly problem: Problem }[];
  /** Index of the next training problem. */
  readonly nextProblem: number;
  readonly decodedTokens: number;
  readonly sampledTokens: number;
}

/** What a step is made with. */
export interface RolloutOptions {
  readonly config: Config;
  readonly task: Task;
  readonly engine: Engine;
  /** Once aborted, sampling ends by throwing its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Samples and rewards the groups of a step.
 * @param firstProblem index of the first training problem
 * @throws TaskError naming problem, step and completion for a reward that is no finite number
 */
export async function sampleStep(
  options: RolloutOptions,
  step: number,
  firstProblem: number,
): Promise<StepGroups> {
  const { prompts_per_step: wanted, resample_rounds: rounds } = options.config.sampling;
  const sampled: { group: Group; problem: Problem }[] = [];
  const kept: { group: Group; problem: Problem }[] = [];
  let [decodedTokens, sampledTokens] = [0, 0];
  const ids = new UniqueIds(); // a problem can come twice in a step
  for (let round = 0; round <= rounds && kept.length < wanted; round++) {
    const first = sampled.length;
    const problems = Array.from({ length: wanted - kept.length }, (_, i) =>
      options.task.trainProblem(firstProblem + first + i),
    );
    const made = await sampleGroups(options, problems, step, first);
    decodedTokens += made.decodedTokens;
    sampledTokens += made.sampledTokens;
    made.groups.forEach((group, i) => {
      const pair = { group: { ...group, id: ids.next(group.id) }, problem: problems[i] };
      sampled.push(pair);
      if (rounds === 0 || isMixed(group)) kept.push(pair);
    });
  }
  // A step without a single mixed group is taken all the same: it changes nothing, and says so in its figures.
  const trained = kept.length > 0 ? kept : sampled.slice(-wanted);
  return {
    groups: trained.map(({ group }) => group),
    problems: trained.map(({ problem }) => problem),
    sampled,
    nextProblem: firstProblem + sampled.length,
    decodedTokens,
    sampledTokens,
  };
}

const isMixed = ({ completions }: Group): boolean =>
  !hasZeroVariance(completions.map(({ reward }) => reward));

async function sampleGroups(
  { engine, task, config, signal }: RolloutOptions,
  problems: readonly Problem[],
  step: number,
  firstKey: number,
): Promise<{ groups: Group[]; decodedTokens: number; sampledTokens: number }> {
  const { sampling } = config;
  const { completions, statistics } = await sampleTrajectories(
    engine,
    task,
    problems.map((problem, i) => ({ problem, count: sampling.group_size, key: [step, firstKey + i] })),
    {
      temperature: sampling.temperature,
      topK: sampling.top_k,
      topP: sampling.top_p,
      seed: config.seed,
      signal,
    },
  );
  const groups = await Promise.all(
    problems.map((problem, i) => rewardGroup(task, config, problem, completions[i], step)),
  );
  return { groups, ...statistics };
}

/** Completions with the task's rewards, as the group that everything downstream sees. */
async function rewardGroup(
  task: Task,
  config: Config,
  problem: Problem,
  completions: readonly Trajectory[],
  step: number,
): Promise<Group> {
  const judged = async ({ tokens, logprobs, mask, stop }: Trajectory): Promise<Completion> => {
    const text = task.vocabulary.decode(tokens);
    const where = `task ${task.name}, problem ${problem.id}, step ${step}`;
    const result = penalised(await task.reward(problem, tokens), tokens.length, task, config);
    if (!Number.isFinite(result.reward)) {
      throw new TaskError(
        `${where}: the reward of completion ${JSON.stringify(text)} is ${result.reward}; allowed is a finite number`,
      );
    }
    const { reward, rewards, note } = result;
    const success = await task.success(problem, tokens);
    return { tokens, text, logprobs, ...(mask ? { mask } : {}), stop, reward, rewards, note, success };
  };
  return {
    id: problem.id,
    step,
    prompt: { tokens: problem.promptTokens, text: problem.promptText },
    completions: await Promise.all(completions.map(judged)),
    tokens: 'exact',
    groups: 'explicit',
    tokenTexts: tokenTexts(task, completions),
  };
}

/** DAPO's soft punishment of length: 0 up to L − c tokens, then falling linearly to −1 at the longest length L. */
function penalised(
  result: RewardResult,
  length: number,
  { maxCompletionTokens }: Task,
  { objective }: Config,
): RewardResult {
  const cache = objective.length_penalty_tokens;
  if (cache === 0) return result;
  const penalty = -Math.min(1, Math.max(0, (length - (maxCompletionTokens - cache)) / cache));
  return {
    ...result,
    reward: result.reward + penalty,
    rewards: { ...(result.rewards ?? { task: result.reward }), length: penalty },
  };
}

function tokenTexts(task: Task, completions: readonly { tokens: Int32Array }[]): Record<number, string> {
  const texts: Record<number, string> = {};
  for (const { tokens } of completions) for (const id of tokens) texts[id] ??= task.vocabulary.tokenText(id);
  return texts;
}
