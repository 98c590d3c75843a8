/**
 * Samples the groups of a step: problems, completions, rewards. With dynamic sampling (DAPO, arXiv:2503.14476), groups
 * with equal rewards, which give no gradient, are replaced by groups of further problems.
 */
import type { Engine } from '../engine/index.js';
import { hasZeroVariance } from '../objective/index.js';
import { UniqueIds } from '../rollouts/ids.js';
import type { Completion, Group } from '../rollouts/index.js';
import { type Problem, type RewardResult, type Task, TaskError } from '../task/index.js';
import type { Config } from './config.js';
import { unlessEnded } from './guards.js';
import { judge } from './judge.js';
import { sampleTrajectories, sumOfCounts, type Trajectory } from './trajectories.js';

export interface StepGroups {
  /** The groups to be trained on, with the problem of each. */
  readonly groups: readonly Group[];
  readonly problems: readonly Problem[];
  /** All groups that were sampled and rewarded, including dropped ones. */
  readonly sampled: readonly SampledGroup[];
  /** Index of the next training problem. */
  readonly nextProblem: number;
  /** undefined: the engine does not report it. */
  readonly decodedTokens: number | undefined;
  readonly sampledTokens: number;
  /** Failed rewards, if the task continues after them, one line for each completion. */
  readonly failures: readonly string[];
  /** Problems that were skipped because their prompts are too long. */
  readonly passedOver: number;
}

interface SampledGroup {
  readonly group: Group;
  readonly problem: Problem;
}

/** Everything that sampling a step needs. */
export interface RolloutOptions {
  readonly config: Config;
  readonly task: Task;
  readonly engine: Engine;
  /** Once aborted, sampling ends by throwing the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How often further problems are tried if the rewards of all groups of a step fail (on_error: skip_group). */
const TRIES = 3;

/**
 * Samples and rewards the groups of a step.
 * @param firstProblem index of the first training problem
 * @throws TaskError naming problem, step and completion for a reward that is not a finite number
 */
export async function sampleStep(
  options: RolloutOptions,
  step: number,
  firstProblem: number,
): Promise<StepGroups> {
  const { prompts_per_step: wanted, resample_rounds: rounds } = options.config.sampling;
  const sampled: SampledGroup[] = [];
  const kept: SampledGroup[] = [];
  const failures: string[] = [];
  const ids = new UniqueIds(); // a problem can occur twice in a step
  const cursor = new ProblemCursor(options.task, firstProblem);
  let decodedTokens: number | undefined = 0;
  let [sampledTokens, promptCount] = [0, 0];
  for (let round = 0; kept.length < wanted; round++) {
    const further = sampled.length === 0 ? round <= TRIES : round <= rounds;
    if (round > 0 && !further) break;
    const problems = await cursor.take(wanted - kept.length);
    const sample = await sampleGroups(options, problems, step, promptCount);
    promptCount += problems.length;
    decodedTokens = sumOfCounts(decodedTokens, sample.decodedTokens);
    sampledTokens += sample.sampledTokens;
    failures.push(...sample.failures);
    sample.groups.forEach((group, i) => {
      if (!group) return;
      const entry = { group: { ...group, id: ids.next(group.id) }, problem: problems[i] };
      sampled.push(entry);
      if (rounds === 0 || isMixed(group)) kept.push(entry);
    });
  }
  if (sampled.length === 0) {
    throw new TaskError(
      `${failures[0]}; the rewards of all ${promptCount} groups of step ${step} fail like this`,
    );
  }
  // A step without any mixed group is still taken: it changes nothing, as its figures show.
  const trained = kept.length > 0 ? kept : sampled.slice(-wanted);
  return {
    groups: trained.map(({ group }) => group),
    problems: trained.map(({ problem }) => problem),
    sampled,
    nextProblem: cursor.next,
    decodedTokens,
    sampledTokens,
    failures,
    passedOver: cursor.passedOver,
  };
}

/** Takes training problems in order, skipping those whose prompts are too long. */
class ProblemCursor {
  passedOver = 0;

  constructor(
    private readonly task: Task,
    public next: number,
  ) {}

  async take(count: number): Promise<Problem[]> {
    const problems: Problem[] = [];
    const { maxPromptTokens, name } = this.task;
    for (let inARow = 0; problems.length < count; ) {
      const problem = await this.task.trainProblem(this.next++);
      if (problem.promptTokens.length <= maxPromptTokens) {
        problems.push(problem);
        inARow = 0;
        continue;
      }
      this.passedOver++;
      if (++inARow === MOST_PASSED_OVER) {
        throw new TaskError(
          `task ${name}: expected prompts of at most ${maxPromptTokens} tokens, got ${inARow} longer ones in a row; problem ${problem.id} has ${problem.promptTokens.length}`,
        );
      }
    }
    return problems;
  }
}

const MOST_PASSED_OVER = 1000;

const isMixed = ({ completions }: Group): boolean =>
  !hasZeroVariance(completions.map(({ reward }) => reward));

async function sampleGroups(
  { engine, task, config, signal }: RolloutOptions,
  problems: readonly Problem[],
  step: number,
  firstKey: number,
): Promise<{
  groups: (Group | null)[];
  failures: string[];
  decodedTokens?: number;
  sampledTokens: number;
}> {
  const { sampling } = config;
  const { completions, statistics } = await sampleTrajectories(
    engine,
    task,
    problems.map((problem, i) => ({
      problem,
      count: sampling.group_size,
      key: [step, firstKey + i],
      at: `step ${step}`,
    })),
    {
      temperature: sampling.temperature,
      topK: sampling.top_k,
      topP: sampling.top_p,
      seed: config.seed,
      precision: sampling.precision,
      signal,
    },
  );
  const failures: string[] = [];
  const groups = await unlessEnded(
    Promise.all(
      problems.map((problem, i) => rewardGroup(task, config, problem, completions[i], step, failures)),
    ),
    signal,
  );
  return { groups, failures, ...statistics };
}

/**
 * Completions with the task's rewards as a group; null for a group that is left out.
 * @param failures receives error messages
 */
async function rewardGroup(
  task: Task,
  config: Config,
  problem: Problem,
  completions: readonly Trajectory[],
  step: number,
  failures: string[],
): Promise<Group | null> {
  let failed = false;
  const judged = async (
    { tokens, logprobs, entropies, mask, stop }: Trajectory,
    i: number,
  ): Promise<Completion> => {
    const at = `step ${step}, completion ${i + 1} of ${completions.length}`;
    const { failure, success, ...result } = await judge(task, problem, tokens, at);
    if (failure !== undefined) failures.push(failure);
    failed ||= failure !== undefined;
    const { reward, rewards, note } = penalised(result, tokens.length, task, config);
    const text = task.vocabulary.decode(tokens);
    const known = { ...(entropies ? { entropies } : {}), ...(mask ? { mask } : {}) };
    return { tokens, text, logprobs, ...known, stop, reward, rewards, note, success };
  };
  const rewarded = await Promise.all(completions.map(judged));
  if (failed && task.onError === 'skip_group') return null;
  return {
    id: problem.id,
    step,
    prompt: { tokens: problem.promptTokens, text: problem.promptText },
    completions: rewarded,
    tokens: 'exact',
    groups: 'explicit',
    tokenTexts: tokenTexts(task, completions),
  };
}

/** DAPO's soft penalty on length: 0 up to L − c tokens, then falling linearly to −1 at the maximum length L. */
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
