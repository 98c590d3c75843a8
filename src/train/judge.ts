/**
 * Computes reward and verdict of a completion. If the code of the task fails, `task.on_error` decides: the run stops,
 * or the completion gets reward 0 or is dropped with its group, with the reason.
 */
import {
  checkReward,
  type Problem,
  type RewardResult,
  type Task,
  TaskError,
  UserCodeError,
} from '../task/index.js';

export interface Judgement extends RewardResult {
  readonly success: boolean;
  /** Why there is no reward, in one line; absent: there is one. */
  readonly failure?: string;
}

/**
 * @param at place in the run: `step 3, completion 2 of 8`
 * @throws TaskError for a reward that is not a finite number, UserCodeError if the task's policy is to stop
 */
export async function judge(
  task: Task,
  problem: Problem,
  tokens: ArrayLike<number>,
  at: string,
): Promise<Judgement> {
  let result: RewardResult;
  try {
    result = await task.reward(problem, tokens, at);
  } catch (error) {
    if (!isTolerated(task, error)) throw error;
    return { reward: 0, success: false, note: error.message, failure: error.message };
  }
  try {
    checkReward(result.reward);
  } catch (error) {
    const completion = JSON.stringify(task.vocabulary.decode(tokens));
    const where = `task ${task.name}: reward of problem ${problem.id}, ${at} ${completion}`;
    throw new TaskError(`${where}: ${(error as Error).message}`);
  }
  try {
    return { ...result, success: await task.success(problem, tokens, at) };
  } catch (error) {
    if (!isTolerated(task, error)) throw error;
    return { ...result, success: false, note: error.message };
  }
}

function isTolerated({ onError = 'stop' }: Task, error: unknown): error is UserCodeError {
  return onError !== 'stop' && error instanceof UserCodeError;
}
