/**
 * A unit of work: groups that a policy samples before any training, and how much structure they have (PAPER.md §3). The
 * completions of one prompt are independent, so a large group is also divided into several small groups of that prompt.
 */
import { mean } from '../../statistics/index.js';
import { type Config, openRun } from '../../train/index.js';
import { judge } from '../../train/judge.js';
import { sampleTrajectories, type Trajectory } from '../../train/trajectories.js';
import { intermediateProportion, isFlat, ProcessTree, pathDepth } from '../../tree/index.js';
import { rounded } from '../markdown.js';
import { Interrupted, type WorkContext } from './context.js';

export interface GroupsSpec {
  readonly kind: 'groups';
  /** Policy, task and sampling; nothing is trained. */
  readonly config: Config;
  /** Group sizes, k: divisors of the largest. */
  readonly sizes: readonly number[];
  readonly prompts: number;
  /** Number of the first training problem. */
  readonly first: number;
}

/** Groups of one size. */
export interface GroupStructure {
  readonly k: number;
  readonly groups: number;
  /** Number of groups without an intermediate node. */
  readonly flat: number;
  /** Mean path depth of each group. */
  readonly depth: readonly number[];
  /** Mean intermediate proportion of each group. */
  readonly intermediate: readonly number[];
}

export interface GroupsFigures {
  readonly sizes: readonly GroupStructure[];
  /** Mean tokens of a completion. */
  readonly length: number;
  /** Share of completions that ended by a stop token. */
  readonly stopped: number;
  /** Share of right completions. */
  readonly success: number;
}

export async function runGroups(spec: GroupsSpec, context: WorkContext): Promise<GroupsFigures> {
  const { config, sizes, prompts, first } = spec;
  const { seed, sampling } = config;
  const { task, engine } = await openRun(config, { threads: 1, frozen: true });
  try {
    const most = Math.max(...sizes);
    const sampled: Trajectory[][] = [];
    const right: number[] = [];
    for (let i = 0; i < prompts; i++) {
      if (context.signal?.aborted) throw new Interrupted();
      const problem = await task.trainProblem(first + i);
      const { completions } = await sampleTrajectories(
        engine,
        task,
        [{ problem, count: most, key: ['groups', first + i] }],
        { temperature: sampling.temperature, topK: sampling.top_k, topP: sampling.top_p, seed },
      );
      sampled.push(completions[0]);
      for (const { tokens } of completions[0]) {
        right.push(Number((await judge(task, problem, tokens, `problem ${first + i}`)).success));
      }
      context.progress((i + 1) / prompts);
    }
    const all = sampled.flat();
    return {
      sizes: sizes.map((k) => structureOf(sampled, k)),
      length: rounded(mean(all.map(({ tokens }) => tokens.length))),
      stopped: rounded(mean(all.map(({ stop }) => Number(stop === 'stop')))),
      success: rounded(mean(right)),
    };
  } finally {
    await engine.dispose();
  }
}

/** @param sampled completions of each prompt; the remainder of a division by k is not used */
export function structureOf(
  sampled: readonly (readonly { readonly tokens: Int32Array }[])[],
  k: number,
): GroupStructure {
  const trees = sampled.flatMap((completions) =>
    Array.from({ length: Math.floor(completions.length / k) }, (_, part) =>
      ProcessTree.build(completions.slice(part * k, (part + 1) * k).map(({ tokens }) => tokens)),
    ),
  );
  return {
    k,
    groups: trees.length,
    flat: trees.filter(isFlat).length,
    depth: trees.map((tree) => rounded(mean(pathDepth(tree)))),
    intermediate: trees.map((tree) => rounded(mean(intermediateProportion(tree)))),
  };
}
