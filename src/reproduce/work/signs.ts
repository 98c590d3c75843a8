/**
 * A unit of work on the binary tree: where credit rules push a step the wrong way. Groups are sampled from a policy at
 * some stage of its training, as in `values`. The sign of each token's push under each rule is compared with the exact
 * value of its prefix under the same policy, computed from the probabilities of all paths.
 */
import type { Engine } from '../../engine/index.js';
import { remove } from '../../files/index.js';
import { CREDIT_RULES, type CreditName, groupAdvantages, nodePush } from '../../objective/index.js';
import { sum } from '../../statistics/index.js';
import type { Task } from '../../task/index.js';
import { type Config, openTrained, run } from '../../train/index.js';
import { ProcessTree, packedIndices, packTree } from '../../tree/index.js';
import { rounded } from '../markdown.js';
import { Interrupted, type WorkContext } from './context.js';
import { runFolder } from './train.js';

export interface SignsSpec {
  readonly kind: 'signs';
  /** The training of the policy. Its steps are the examined stage, and its group size is that of the groups. */
  readonly config: Config;
  readonly rules: readonly CreditName[];
  readonly groups: number;
}

/** Shares of a rule's gradient mass, Σ |A⁺ + A⁻| over tokens of the tree, in [0, 1]; null: no mass has a known sign. */
export interface RuleSigns {
  /**
   * On steps pushed against the sign of V(step) − V(prompt), with V(step) after the step's first token, as in `values`.
   */
  readonly prompt: number | null;
  /** On tokens pushed against the sign of V(with the token) − V(before it), the token's true advantage. */
  readonly token: number | null;
}

/** By rule, in the order of the spec. */
export type SignsFigures = readonly RuleSigns[];

/** Values closer than this count as equal: neither sign is wrong. */
const EQUAL = 1e-9;
const DIGITS = 5;

export async function runSigns(
  { config, rules, groups }: SignsSpec,
  context: WorkContext,
): Promise<SignsFigures> {
  const out = runFolder(context.folder, context.id);
  await remove(out);
  const { interrupted } = await run({
    config,
    out,
    threads: 1,
    signal: context.signal,
    observer: { step: ({ step }, steps) => context.progress((0.5 * step) / steps) },
  });
  if (interrupted) throw new Interrupted();
  const { engine, task } = await openTrained(out, undefined, { threads: 1 });
  try {
    const value = await prefixValues(engine, task, config);
    const sums = rules.map(() => ({ prompt: new SignMass(), token: new SignMass() }));
    const problem = await task.trainProblem(0);
    for (let group = 0; group < groups; group++) {
      if (context.signal?.aborted) throw new Interrupted();
      const { completions } = await engine.sample(
        [
          {
            prompt: problem.promptTokens,
            count: config.sampling.group_size,
            key: ['values', config.sampling.group_size, group],
          },
        ],
        {
          temperature: config.sampling.temperature,
          topK: 0,
          topP: 1,
          seed: config.seed,
          stopTokens: task.stopTokens,
          allowedTokens: task.allowedTokens,
          maxTokens: task.maxCompletionTokens,
        },
      );
      const tree = ProcessTree.build(completions[0].map(({ tokens }) => tokens));
      const rewards = Float64Array.from(
        await Promise.all(tree.tokens.map(async (path) => (await task.reward(problem, path)).reward)),
      );
      const advantages = groupAdvantages(rewards);
      rules.forEach((rule, r) => {
        const pushes = nodePush(tree, CREDIT_RULES[rule].copies(tree, rewards, advantages));
        for (let node = 0; node < tree.nodeCount; node++) {
          const [start, end] = [tree.start[node], tree.end[node]];
          const path = tree.tokens[tree.representative(node)];
          for (let t = start; t < end; t++) {
            const push = t === start ? pushes.first[node] : pushes.push[node];
            // All completions share the root's tokens, so they involve no choice.
            if (node > 0) sums[r].prompt.add(push, value(path, start + 1) - value(path, 0));
            if (node > 0) sums[r].token.add(push, value(path, t + 1) - value(path, t));
          }
        }
      });
      context.progress(0.5 + (0.5 * (group + 1)) / groups);
    }
    return sums.map(({ prompt, token }) => ({ prompt: prompt.wrongShare(), token: token.wrongShare() }));
  } finally {
    await engine.dispose();
    await remove(out);
  }
}

class SignMass {
  private all = 0;
  private wrong = 0;

  /** @param truth whose sign the push should have */
  add(push: number, truth: number): void {
    if (Math.abs(truth) <= EQUAL) return;
    this.all += Math.abs(push);
    if (push * truth < 0) this.wrong += Math.abs(push);
  }

  wrongShare(): number | null {
    return this.all > 0 ? rounded(this.wrong / this.all, DIGITS) : null;
  }
}

/** V of each prefix of the binary tree: the expected reward of the policy's continuations. */
async function prefixValues(
  engine: Engine,
  task: Task,
  { sampling }: Config,
): Promise<(path: Int32Array, length: number) => number> {
  let paths: number[][] = [[]];
  for (let depth = 0; depth < task.maxCompletionTokens; depth++) {
    paths = paths.flatMap((path) => (task.allowedTokens ?? []).map((turn) => [...path, turn]));
  }
  const problem = await task.trainProblem(0);
  const tree = ProcessTree.build(paths.map((path) => Int32Array.from(path)));
  const { logprobs } = await engine.score([{ prompt: problem.promptTokens, tree }], 'current', {
    temperature: sampling.temperature,
    allowedTokens: task.allowedTokens,
  });
  const packed = packTree(tree, new Int32Array());
  const mass = new Map<string, { probability: number; reward: number }>();
  for (const [i, path] of tree.tokens.entries()) {
    const probability = Math.exp(sum(Array.from(packedIndices(tree, packed, i), (at) => logprobs[0][at])));
    const { reward } = await task.reward(problem, path);
    for (let length = 0; length <= path.length; length++) {
      const key = path.subarray(0, length).join(' ');
      const sums = mass.get(key) ?? { probability: 0, reward: 0 };
      sums.probability += probability;
      sums.reward += probability * reward;
      mass.set(key, sums);
    }
  }
  return (path, length) => {
    const sums = mass.get(path.subarray(0, length).join(' '));
    if (!sums) throw new RangeError(`no path of the tree begins with ${path.subarray(0, length).join(' ')}`);
    return sums.reward / sums.probability;
  };
}
