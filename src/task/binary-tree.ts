/**
 * The paper's binary tree (PAPER.md §6a): a completion is a path of `depth` turns, each L or R, and one path T, drawn
 * from the seed, is the target. Paths that leave T only after its first n turns earn less than paths that leave it at
 * once, so most paths through T's beginning look bad although T itself is best. In this case GRPO's |λ| factor loses a
 * solution that it has already found.
 */
import { Stream } from '../random/stream.js';
import { type Problem, type SyncTask, TaskError, type Vocabulary } from './task.js';
import { checkNumber, checkWhole, pieceVocabulary } from './vocabulary.js';

export interface BinaryTreeOptions {
  /** Turns in a path. */
  readonly depth?: number;
  /** Number of first turns that a path must share with T to be a bad one. */
  readonly n?: number;
  /** Reward of every path except T that shares T's first n turns (r_neg). */
  readonly negativeReward?: number;
  /** Reward of T. */
  readonly targetReward?: number;
  /** Reward of every other path. */
  readonly otherReward?: number;
  /**
   * Uses the tokens of another vocabulary: each token is a turn, L if its id is even, R if it is odd. Absent: three
   * tokens, of which L and R are allowed.
   */
  readonly vocabularySize?: number;
  readonly seed: number;
}

/** @throws TaskError for an option out of range */
export function binaryTree({
  depth = 4,
  n = 1,
  negativeReward = -1,
  targetReward = 1,
  otherReward = 0.7,
  vocabularySize,
  seed,
}: BinaryTreeOptions): SyncTask {
  checkWhole('depth', depth, 1, 30);
  checkWhole('n', n, 1, depth);
  checkNumber('negative_reward', negativeReward);
  checkNumber('target_reward', targetReward);
  checkNumber('other_reward', otherReward);

  const vocabulary =
    vocabularySize === undefined
      ? pieceVocabulary({ pieces: ['<bos>', 'L', 'R'], bos: '<bos>' })
      : turnVocabulary(vocabularySize);
  const [left, right] = vocabulary.encode('LR');
  /** L or R as the task's own token; undefined: not a turn. */
  const turnOf = (token: number): number | undefined => {
    if (vocabularySize !== undefined) return [left, right][token % 2];
    return token === left || token === right ? token : undefined;
  };
  const turns = new Stream(seed, 'binary-tree', 'target');
  const target = Int32Array.from({ length: depth }, () => (turns.int(2) === 0 ? left : right));
  const problem: Problem = {
    id: 'binary-tree',
    promptText: '',
    promptTokens: vocabulary.encodePrompt(''),
    answer: vocabulary.decode(target),
  };

  /** Number of first turns that a path shares with T, 0 … depth. */
  function shared(path: ArrayLike<number>): number {
    let length = 0;
    for (let i = 0; i < path.length; i++) {
      const turn = turnOf(path[i]);
      if (turn === undefined) {
        throw new TaskError(
          `binary tree: expected L (${left}) or R (${right}) at place ${i} of a path, got ${path[i]}`,
        );
      }
      if (length === i && turn === target[i]) length++;
    }
    if (path.length !== depth) {
      throw new TaskError(`binary tree: expected a path of ${depth} turns, got ${path.length}`);
    }
    return length;
  }

  return {
    name: 'binary-tree',
    vocabulary,
    maxPromptTokens: problem.promptTokens.length,
    maxCompletionTokens: depth,
    stopTokens: [],
    ...(vocabularySize === undefined ? { allowedTokens: [left, right] } : {}),
    trainProblem: () => problem,
    heldOut: [problem],
    reward(_, path) {
      const length = shared(path);
      if (length === depth) return { reward: targetReward, note: 'target' };
      if (length >= n)
        return { reward: negativeReward, note: `leaves the target path after ${length} of its turns` };
      return { reward: otherReward, note: 'away from the target' };
    },
    success: (_, path) => shared(path) === depth,
  };
}

/** A vocabulary in which every token is a turn. Token 0 is the prompt. */
function turnVocabulary(size: number): Vocabulary {
  const tokenText = (id: number): string => {
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      throw new TaskError(`token id ${id} is outside the vocabulary, 0 … ${size - 1}`);
    }
    return id % 2 === 0 ? 'L' : 'R';
  };
  return {
    size,
    bos: null,
    eos: null,
    encode: (text) =>
      Int32Array.from(text, (turn) => {
        const id = ['L', 'R'].indexOf(turn);
        if (id < 0) throw new TaskError(`binary tree: expected turns L and R, got ${JSON.stringify(turn)}`);
        return id;
      }),
    encodePrompt: () => Int32Array.of(0),
    decode: (tokens) => Array.from(tokens, tokenText).join(''),
    tokenText,
  };
}
