/**
 * The paper's binary tree (PAPER.md §6a): a completion is a path of `depth` turns, each L or R, and one path T,
 * drawn from the seed, is the target. Paths that leave T only after its first n turns earn less than paths that
 * leave it at once, so most of what leads to T looks bad while T itself is best: the case where GRPO's |λ| factor
 * loses a solution it has found.
 */
import { Stream } from '../random/stream.js';
import { type Problem, type SyncTask, TaskError } from './task.js';
import { checkNumber, checkWhole, pieceVocabulary, promptOf } from './vocabulary.js';

export interface BinaryTreeOptions {
  /** Turns in a path. */
  readonly depth?: number;
  /** How many first turns of T make a path a bad one. */
  readonly n?: number;
  /** Reward of every path but T that shares T's first n turns (r_neg). */
  readonly negativeReward?: number;
  /** Reward of T. */
  readonly targetReward?: number;
  /** Reward of every other path. */
  readonly otherReward?: number;
  readonly seed: number;
}

/** @throws TaskError for an option out of range */
export function binaryTree({
  depth = 4,
  n = 1,
  negativeReward = -1,
  targetReward = 1,
  otherReward = 0.7,
  seed,
}: BinaryTreeOptions): SyncTask {
  checkWhole('depth', depth, 1, 30);
  checkWhole('n', n, 1, depth);
  checkNumber('negative_reward', negativeReward);
  checkNumber('target_reward', targetReward);
  checkNumber('other_reward', otherReward);

  const vocabulary = pieceVocabulary({ pieces: ['<bos>', 'L', 'R'], bos: '<bos>' });
  const [left, right] = vocabulary.encode('LR');
  const turns = new Stream(seed, 'binary-tree', 'target');
  const target = Int32Array.from({ length: depth }, () => (turns.int(2) === 0 ? left : right));
  const problem: Problem = {
    id: 'binary-tree',
    promptText: '',
    promptTokens: promptOf(vocabulary, ''),
    answer: vocabulary.decode(target),
  };

  /** How many first turns a path shares with T, 0 … depth. */
  function shared(path: ArrayLike<number>): number {
    let length = 0;
    for (let i = 0; i < path.length; i++) {
      if (path[i] !== left && path[i] !== right) {
        throw new TaskError(
          `binary tree: token ${path[i]} at place ${i} of a path; allowed are L (${left}) and R (${right})`,
        );
      }
      if (length === i && path[i] === target[i]) length++;
    }
    if (path.length !== depth) {
      throw new TaskError(`binary tree: a path of ${path.length} turns; allowed are ${depth}`);
    }
    return length;
  }

  return {
    name: 'binary-tree',
    vocabulary,
    maxPromptTokens: problem.promptTokens.length,
    maxCompletionTokens: depth,
    stopTokens: [],
    allowedTokens: [left, right],
    trainProblem: () => problem,
    heldOut: [problem],
    reward(_, path) {
      const length = shared(path);
      if (length === depth) return { reward: targetReward, note: 'target' };
      if (length >= n)
        return { reward: negativeReward, note: `leaves the target after ${length} of its turns` };
      return { reward: otherReward, note: 'away from the target' };
    },
    success: (_, path) => shared(path) === depth,
  };
}
