/** Tasks: problems, rewards, answer checking. A configuration's `task` section names one. Datasets are read by files.ts. */
import { arithmetic } from './arithmetic.js';
import { binaryTree } from './binary-tree.js';
import { chain } from './chain.js';
import type { TaskConfig } from './config.js';
import { type SyncTask, TaskError } from './task.js';

export { ARITHMETIC_DEFAULTS, type ArithmeticOptions, arithmetic } from './arithmetic.js';
export { type BinaryTreeOptions, binaryTree } from './binary-tree.js';
export { lastBox } from './boxed.js';
export { CHAIN_DEFAULTS, type ChainOptions, chain } from './chain.js';
export type { MathTaskConfig, TaskConfig } from './config.js';
export {
  type ChatMessage,
  defineTask,
  type JudgedCompletion,
  type Rewards,
  type TaskDefinition,
  type TaskEnvironment,
} from './define.js';
export { type DefinedTaskOptions, definedTask, type OnError } from './defined-task.js';
export type { AnswerOptions, AnswerVerdict, Extracted } from './math/index.js';
export { type DatasetRow, type MathTaskOptions, mathTask } from './math-task.js';
export { type Solution, type SolutionOptions, solutionExamples, solutionOf } from './solutions.js';
export {
  checkReward,
  type Environment,
  type Problem,
  type RewardResult,
  type SyncTask,
  type Task,
  TaskError,
  type Vocabulary,
  type WarmupExample,
} from './task.js';
export { type CallUser, type UserCall, UserCodeError, userCode } from './user-code.js';
export { type PieceOptions, pieceVocabulary } from './vocabulary.js';
export { type WriterOptions, writerAccuracy } from './writer.js';

/**
 * The checker of mathematical answers: `const { checkAnswer, answersEqual, extractAnswer } = await mathChecker()`. It is
 * loaded on first use.
 */
export const mathChecker = () => import('./math/index.js');

/**
 * Creates the task that a configuration names; the run's seed determines its random choices.
 * @throws TaskError naming the key, what is expected and what came
 */
export function createTask(config: TaskConfig, seed: number): SyncTask {
  switch (config.name) {
    case 'binary-tree':
      return binaryTree({
        depth: config.depth,
        n: config.n,
        negativeReward: config.negative_reward,
        targetReward: config.target_reward,
        otherReward: config.other_reward,
        vocabularySize: config.vocabulary ?? undefined,
        seed,
      });
    case 'arithmetic':
      return arithmetic({
        digits: config.digits,
        heldOut: config.held_out,
        carryErrorRate: config.carry_error_rate,
        slipRate: config.slip_rate,
        seed,
      });
    case 'chain':
      return chain({
        operations: config.operations,
        modulus: config.modulus,
        heldOut: config.held_out,
        flipErrorRate: config.flip_error_rate,
        slipRate: config.slip_rate,
        seed,
      });
    case 'math':
      throw new TaskError("task.name: expected a task without a tokenizer, got 'math'; use openTask");
    case 'module':
      throw new TaskError("task.name: expected a built-in task, got 'module'; use openTask");
    case 'custom':
      throw new TaskError(
        "task.name: expected binary-tree, arithmetic, chain, math or module, got 'custom', which is given in code",
      );
  }
}
