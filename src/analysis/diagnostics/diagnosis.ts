/**
 * Diagnostics of a run from the trees of its groups, and how the trees change over its steps. `merge` combines parts
 * that were read separately (the files of a log), so that only a growing file is read again.
 */
import type { Group } from '../../rollouts/index.js';
import type { GroupAnalysis } from '../analyze-group.js';
import type { Diagnostics, SplitFigures } from './figures.js';
import { SplitSums } from './prompts.js';
import { DiagnosticSums } from './sums.js';

/** Maximum number of points of a curve; more steps are averaged. */
const MOST_POINTS = 200;

export interface DiagnosisFigures extends Diagnostics {
  readonly groups: number;
  readonly completions: number;
  /** Groups of one completion. */
  readonly singletons: number;
  /** Groups whose rewards are all equal. */
  readonly zeroVariance: { readonly right: number; readonly wrong: number; readonly other: number };
  readonly splitPrompts: SplitFigures;
  /** By training step, ascending. With more than 200 steps, neighbouring steps are averaged. */
  readonly steps: {
    readonly step: readonly number[];
    /** Mean over tokens of |λ|/k. */
    readonly sharing: readonly number[];
    /** Mean over completions. */
    readonly pathDepth: readonly number[];
  };
}

/** Sums of one step. */
interface StepSums {
  shared: number;
  tokens: number;
  depth: number;
  completions: number;
}

export class TreeDiagnosis {
  private groups = 0;
  private completions = 0;
  private singletons = 0;
  private readonly zeroVariance = { right: 0, wrong: 0, other: 0 };
  private readonly sums = new DiagnosticSums();
  private readonly prompts = new SplitSums();
  private readonly steps = new Map<number, StepSums>();

  /** @param analysis of the same group */
  add(group: Group, analysis: GroupAnalysis): void {
    const { tree, statistics, zeroVariance } = analysis;
    this.groups++;
    this.completions += tree.groupSize;
    if (tree.groupSize === 1) this.singletons++;
    if (zeroVariance) this.zeroVariance[zeroVariance]++;
    this.sums.add(group, analysis);
    this.prompts.add(group);
    if (group.step === null) return;
    let shared = 0;
    for (let node = 0; node < tree.nodeCount; node++) {
      shared += ((tree.end[node] - tree.start[node]) * tree.size[node] ** 2) / tree.groupSize;
    }
    this.addStep(group.step, {
      shared,
      tokens: statistics.tokens,
      depth: tree.groupSize * statistics.meanPathDepth,
      completions: tree.groupSize,
    });
  }

  /** Adds the sums of another instance over other groups. */
  merge(other: TreeDiagnosis): void {
    this.groups += other.groups;
    this.completions += other.completions;
    this.singletons += other.singletons;
    for (const kind of ['right', 'wrong', 'other'] as const)
      this.zeroVariance[kind] += other.zeroVariance[kind];
    this.sums.merge(other.sums);
    this.prompts.merge(other.prompts);
    for (const [step, sums] of other.steps) this.addStep(step, sums);
  }

  figures(): DiagnosisFigures {
    return {
      ...this.sums.figures(),
      groups: this.groups,
      completions: this.completions,
      singletons: this.singletons,
      zeroVariance: { ...this.zeroVariance },
      splitPrompts: this.prompts.figures(),
      steps: this.curves(),
    };
  }

  private addStep(step: number, { shared, tokens, depth, completions }: StepSums): void {
    const known = this.steps.get(step);
    if (!known) {
      this.steps.set(step, { shared, tokens, depth, completions });
      return;
    }
    known.shared += shared;
    known.tokens += tokens;
    known.depth += depth;
    known.completions += completions;
  }

  private curves(): DiagnosisFigures['steps'] {
    const all = [...this.steps].sort(([a], [b]) => a - b);
    const each = Math.max(1, Math.ceil(all.length / MOST_POINTS));
    const step: number[] = [];
    const sharing: number[] = [];
    const pathDepth: number[] = [];
    for (let from = 0; from < all.length; from += each) {
      const part = all.slice(from, from + each);
      const total = (field: keyof StepSums): number => part.reduce((sum, [, sums]) => sum + sums[field], 0);
      step.push(part[part.length - 1][0]);
      sharing.push(total('tokens') > 0 ? total('shared') / total('tokens') : 0);
      pathDepth.push(total('depth') / total('completions'));
    }
    return { step, sharing, pathDepth };
  }
}
