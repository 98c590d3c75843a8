/** How completions of several turns end. The model can only sample one token, so every turn is known in advance. */
import { afterAll, describe, expect, it } from 'vitest';
import { LocalEngine } from '../engine/index.js';
import { nodeBackend } from '../runtime/node.js';
import { binaryTree, type Environment, type Task } from '../task/index.js';
import { resolveConfig } from './index.js';
import { scoreGroup } from './scored-groups.js';
import { sampleTrajectories } from './trajectories.js';

const [SAID, STOP, ANSWER] = [1, 3, 2];
const engine = new LocalEngine({
  model: { vocabularySize: 4, contextLength: 24, width: 8, layers: 1, heads: 2 },
  optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
  seed: 0,
  backend: nodeBackend(),
  threads: 1,
});
afterAll(() => engine.dispose());

async function sampled(says: number, environment: Partial<Environment>, maxCompletionTokens = 12) {
  const base = binaryTree({ seed: 0 });
  const task: Task = {
    ...base,
    maxCompletionTokens,
    stopTokens: [STOP],
    allowedTokens: [says],
    environment: {
      maxTurns: 3,
      maxTurnTokens: 2,
      respond: async () => Int32Array.of(ANSWER),
      ...environment,
    },
  };
  const problem = { ...base.heldOut[0], promptTokens: Int32Array.of(0) };
  const { completions } = await sampleTrajectories(engine, task, [{ problem, count: 2, key: ['t'] }], {
    ...{ temperature: 1, topK: 0, topP: 1, seed: 0 },
  });
  return completions[0][0];
}

describe('a completion of several turns', () => {
  it('that took its last turn ends by that, not by its length, and is trained where cut-off ones are left out', async () => {
    const completion = await sampled(STOP, {});
    expect([...completion.tokens]).toEqual([STOP, ANSWER, STOP, ANSWER, STOP]);
    expect(completion.stop).toBe('turns');
    const { objective } = resolveConfig({ task: { name: 'binary-tree' }, objective: { truncated: 'mask' } });
    const trained = (stop: 'stop' | 'length' | 'turns') =>
      scoreGroup(
        {
          id: 'g',
          step: 1,
          prompt: { tokens: Int32Array.of(0) },
          completions: [{ ...completion, stop, reward: 1 }],
          tokens: 'exact',
          groups: 'explicit',
        },
        objective,
      ).trainedTokens[0];
    expect([trained('turns'), trained('stop'), trained('length')]).toEqual([3, 3, 0]);
  });

  it('that the environment ends has stopped, in its last turn too', async () => {
    for (const end of [1, 3]) {
      let turn = 0;
      const completion = await sampled(STOP, {
        respond: async () => (++turn > 2 * (end - 1) ? null : Int32Array.of(ANSWER)),
      });
      expect([completion.tokens.length, completion.stop]).toEqual([2 * end - 1, 'stop']);
    }
  });

  it('whose turn or answer has no room is cut off', async () => {
    expect(await sampled(SAID, {})).toMatchObject({ stop: 'length', tokens: Int32Array.of(SAID, SAID) });
    expect(await sampled(STOP, {}, 3)).toMatchObject({
      stop: 'length',
      tokens: Int32Array.of(STOP, ANSWER, STOP),
    });
  });
});
