import { describe, expect, test } from 'vitest';
import { binaryTree } from './binary-tree.js';

/** All 2^depth paths. */
function paths(depth: number): number[][] {
  return depth === 0
    ? [[]]
    : paths(depth - 1).flatMap((path) => [
        [...path, 1],
        [...path, 2],
      ]);
}

describe('the binary tree', () => {
  test('has one target; n = 1 punishes the 7 other paths of its half, n = 2 the 3 of its quarter', () => {
    for (const [n, bad] of [
      [1, 7],
      [2, 3],
    ]) {
      const task = binaryTree({ n, negativeReward: -1.5, seed: 4 });
      const rewards = paths(4).map((path) => task.reward(task.heldOut[0], path).reward);
      expect(rewards.filter((r) => r === 1)).toHaveLength(1);
      expect(rewards.filter((r) => r === -1.5)).toHaveLength(bad);
      expect(rewards.filter((r) => r === 0.7)).toHaveLength(15 - bad);
    }
  });

  test('pays exactly the paths that share the first n turns of the target and are not it', () => {
    const task = binaryTree({ n: 2, seed: 11 });
    const target = task.vocabulary.encode(task.heldOut[0].answer);
    for (const path of paths(4)) {
      const isTarget = path.every((turn, i) => turn === target[i]);
      const expected = isTarget ? 1 : path[0] === target[0] && path[1] === target[1] ? -1 : 0.7;
      expect(task.reward(task.trainProblem(0), path).reward).toBe(expected);
      expect(task.success(task.trainProblem(0), path)).toBe(isTarget);
    }
  });

  test('draws its target from the seed, each of the 16 about equally often', () => {
    expect(binaryTree({ seed: 5 }).heldOut[0].answer).toBe(binaryTree({ seed: 5 }).heldOut[0].answer);
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 1600; seed++) {
      const { answer } = binaryTree({ seed }).heldOut[0];
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
    }
    expect(counts.size).toBe(16);
    expect(Math.min(...counts.values())).toBeGreaterThan(60);
    expect(Math.max(...counts.values())).toBeLessThan(145);
  });

  test('refuses options and paths that cannot be, in one line', () => {
    expect(() => binaryTree({ n: 5, seed: 0 })).toThrow('task.n: expected a whole number from 1 to 4, got 5');
    expect(() => binaryTree({ negativeReward: Number.NaN, seed: 0 })).toThrow(
      'task.negative_reward: expected a finite number, got NaN',
    );
    const task = binaryTree({ seed: 0 });
    expect(() => task.reward(task.heldOut[0], [1, 2])).toThrow('expected a path of 4 turns, got 2');
    expect(() => task.reward(task.heldOut[0], [1, 2, 0, 1])).toThrow(
      'expected L (1) or R (2) at place 2 of a path, got 0',
    );
  });
});
