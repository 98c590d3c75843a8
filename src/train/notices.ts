/**
 * Notes printed during a run: failed rewards, skipped problems, and above all a missing learning signal. If no group
 * of the first steps has two different rewards, every gradient is 0, although the figures only look like a slow start.
 */
import { hasZeroVariance } from '../objective/index.js';
import type { Completion, Group } from '../rollouts/index.js';
import type { Task } from '../task/index.js';
import type { Config } from './config.js';
import type { StepGroups } from './rollout.js';

/** Number of steps without two different rewards in any group after which a notice is given. */
const FIRST_STEPS = 3;

export class Notices {
  private groups: Group[] | null = [];
  private failures = 0;
  private passedOver = 0;

  constructor(
    private readonly config: Config,
    private readonly task: Task,
    /** The run's folder, named in the command for continuing. */
    private readonly folder: string,
    private readonly warn: (line: string) => void,
  ) {}

  /** To be called after each step. @param steps total number of steps of this run */
  step(step: number, { sampled, failures, passedOver }: StepGroups, steps: number): void {
    if (failures.length > 0 && this.failures === 0) {
      const fate = this.task.onError === 'zero' ? 'the completion gets reward 0' : 'its group is skipped';
      this.warn(`${failures[0]}; ${fate} (task.on_error: ${this.task.onError})`);
    }
    this.failures += failures.length;
    if (passedOver > 0 && this.passedOver === 0) {
      this.warn(
        `step ${step}: ${passedOver} problems skipped: their prompts have more than ${this.task.maxPromptTokens} tokens`,
      );
    }
    this.passedOver += passedOver;
    if (!this.groups) return;
    this.groups.push(...sampled.map(({ group }) => group));
    if (sampled.some(({ group }) => !hasZeroVariance(rewardsOf(group)))) this.groups = null;
    else if (step >= Math.min(FIRST_STEPS, steps)) {
      this.warn(this.nothingLearnt(this.groups, step));
      this.groups = null;
    }
  }

  /** Notices at the end, one line each. */
  summary(): string[] {
    return [
      ...(this.failures > 0 ? [`${this.failures} rewards failed (task.on_error: ${this.task.onError})`] : []),
      ...(this.passedOver > 0 ? [`${this.passedOver} problems skipped: their prompts are too long`] : []),
    ];
  }

  private nothingLearnt(groups: readonly Group[], step: number): string {
    const reason = likelyReason(groups, this.task, this.config);
    return `no learning signal: in ${step === 1 ? 'step 1' : `the first ${step} steps`} all rewards of each group are equal (${reason}); look at completions with: lambda-grpo eval ${this.folder} --samples 4 --problems 4 --show`;
  }
}

const rewardsOf = ({ completions }: Group): number[] => completions.map(({ reward }) => reward);

/** The first of the usual reasons that applies to all completions. */
function likelyReason(groups: readonly Group[], task: Task, { task: settings, sampling }: Config): string {
  const all = groups.flatMap(({ completions }) => completions);
  const every = (holds: (completion: Completion) => boolean): boolean => all.every(holds);
  const equal = every(({ reward }) => reward === all[0].reward);
  const reward = `every reward is ${all[0].reward}`;
  if (
    task.onError === 'zero' &&
    every(({ note, reward: r }) => r === 0 && note !== undefined) &&
    settings.name === 'module'
  ) {
    return `${reward}, mostly because: ${commonest(all)}`;
  }
  const length = `no completion ends before max_completion_tokens, ${task.maxCompletionTokens}`;
  const endless = every(({ stop }) => stop === 'length') && task.stopTokens.length > 0;
  if (equal && settings.name === 'math') {
    if (endless) return `${reward}: ${length}`;
    if (settings.stop_at_box && every(({ text }) => !/\\boxed\s*\{/.test(text ?? ''))) {
      return `${reward}: no completion has a closed \\boxed{}; stop_at_box is on, so nothing else counts as an answer`;
    }
    return `${reward}, mostly because: ${commonest(all)}`;
  }
  if (groups.every(({ completions }) => completions.every(({ text }) => text === completions[0].text))) {
    return `the completions of each group are the same text; the temperature is ${sampling.temperature}`;
  }
  if (equal) return endless ? `${reward}: ${length}` : reward;
  if (endless) return length;
  return every(({ reward: r }) => r === 0 || r === 1)
    ? 'each problem is solved by all of its completions or by none of them'
    : 'rewards differ only between problems';
}

function commonest(completions: readonly Completion[]): string {
  const counts = new Map<string, number>();
  for (const { note = 'none given' } of completions) counts.set(note, (counts.get(note) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0][0];
}
