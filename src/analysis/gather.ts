/**
 * Figures over many groups (PAPER.md §3-4), one group at a time: sums for the whole log and for each training step that
 * it names. Memory depends on the number of steps and the largest group, not on the log. Works on the tree's nodes,
 * fewer than 2k, and never on tokens. Meaning of the figures: figures.ts and docs/analyze.md.
 */
import type { Group } from '../rollouts/index.js';
import type { GroupAnalysis } from './analyze-group.js';
import { CreditSums, MOST, signsOf } from './credit-sums.js';
import { SplitSums } from './diagnostics/prompts.js';
import { DiagnosticSums } from './diagnostics/sums.js';
import type { LogAnalysis, LogFigures, SourceFigures } from './figures.js';
import type { GroupCredit } from './group-credit.js';

/** How strongly GRPO's flaw affects one group, for sorting groups. */
export interface GroupScore {
  /** Completions with aᵢ > 0 and most of their tokens in steps with Â < 0. */
  readonly pushedDown: number;
  /** The largest share of tokens in steps with Â < 0 among the completions with aᵢ > 0, [0, 1]; 0 if there are none. */
  readonly worst: number;
  /** Largest (|λ| − 1)·|Â(λ)| of a step with tokens. */
  readonly flaw: number;
}

export class LogGatherer {
  private readonly all = new Sums();
  private readonly sources = new Map<string | null, SourceSums>();
  private readonly prompts = new SplitSums();

  /**
   * Adds a group to the figures.
   * @param analysis of the same group
   * @param credit the group under the requested rules, the same rules for every group
   * @throws RangeError for another group's analysis
   */
  add(group: Group, analysis: GroupAnalysis, credit: readonly GroupCredit[] = []): GroupScore {
    const { completions, source } = group;
    if (completions.length !== analysis.tree.groupSize) {
      throw new RangeError(
        `group ${group.id} has ${completions.length} completions, the analysis ${analysis.tree.groupSize}`,
      );
    }
    const label = source?.label ?? null;
    let sums = this.sources.get(label);
    if (!sums) {
      sums = new SourceSums(label, source?.format ?? 'own');
      this.sources.set(label, sums);
    }
    this.prompts.add(group);
    // The expensive part, computed once for all sums that use it.
    const diagnostics = new DiagnosticSums();
    diagnostics.add(group, analysis);
    sums.add(group, analysis, credit, diagnostics);
    this.all.add(group, analysis, credit, diagnostics);
    return groupScore(analysis);
  }

  /** The figures of all groups so far. Means and shares over no items are 0. */
  result(): LogAnalysis {
    const all = this.all.figures();
    const splitPrompts = this.prompts.figures();
    const sources = [...this.sources.values()];
    if (sources.length < 2)
      return { all, splitPrompts, steps: sources[0]?.figures().steps ?? [], sources: [] };
    return { all, splitPrompts, steps: [], sources: sources.map((sums) => sums.figures()) };
  }
}

/** How strongly GRPO's flaw affects a group. */
export function groupScore({ tree, stepFlaw, advantages, oppositeShare }: GroupAnalysis): GroupScore {
  let [pushedDown, worst, flaw] = [0, 0, 0];
  for (let node = 0; node < tree.nodeCount; node++) {
    if (tree.end[node] > tree.start[node] && stepFlaw[node] > flaw) flaw = stepFlaw[node];
  }
  const signs = signsOf(advantages);
  for (let i = 0; i < tree.groupSize; i++) {
    if (signs[i] <= 0) continue;
    if (oppositeShare[i] > MOST) pushedDown++;
    if (oppositeShare[i] > worst) worst = oppositeShare[i];
  }
  return { pushedDown, worst, flaw };
}

/** Sums over the groups of one source: all groups, and those of each training step. */
class SourceSums {
  private readonly all = new Sums();
  private readonly steps = new Map<number, Sums>();

  constructor(
    private readonly label: string | null,
    private readonly format: string,
  ) {}

  add(
    group: Group,
    analysis: GroupAnalysis,
    credit: readonly GroupCredit[],
    diagnostics: DiagnosticSums,
  ): void {
    this.all.add(group, analysis, credit, diagnostics);
    const { step } = group;
    if (step === null) return;
    let sums = this.steps.get(step);
    if (!sums) {
      sums = new Sums();
      this.steps.set(step, sums);
    }
    sums.add(group, analysis, credit, diagnostics);
  }

  figures(): SourceFigures {
    return {
      label: this.label ?? '',
      format: this.format,
      all: this.all.figures(),
      steps: [...this.steps]
        .sort(([a], [b]) => a - b)
        .map(([step, sums]) => ({ step, figures: sums.figures() })),
    };
  }
}

/** Sums over groups. */
class Sums {
  private groups = 0;
  private completions = 0;
  private tokens = 0;
  private distinctTokens = 0;
  private flatGroups = 0;
  private readonly zeroVariance = { right: 0, wrong: 0, other: 0 };
  private singletonGroups = 0;
  private reward = 0;
  private pathDepth = 0;
  private intermediateProportion = 0;
  private good = 0;
  private pushedDown = 0;
  private bad = 0;
  private pushedUp = 0;
  private readonly bySize = new Map<number, { steps: number; tokens: number; mass: number }>();
  private readonly byDepth: { up: number; down: number }[] = [];
  private readonly lambdaMass = { up: 0, down: 0 };
  private readonly tokenSources: Record<string, number> = {};
  private readonly groupSources: Record<string, number> = {};
  private readonly credit: CreditSums[] = [];
  private readonly diagnostics = new DiagnosticSums();

  /** @param diagnostics of this group alone */
  add(
    group: Group,
    analysis: GroupAnalysis,
    credit: readonly GroupCredit[],
    diagnostics: DiagnosticSums,
  ): void {
    const { tree, statistics, rewards } = analysis;
    const k = tree.groupSize;
    this.groups++;
    this.completions += k;
    this.tokens += statistics.tokens;
    this.distinctTokens += statistics.distinctTokens;
    this.flatGroups += Number(statistics.flat);
    if (analysis.zeroVariance) this.zeroVariance[analysis.zeroVariance]++;
    this.singletonGroups += Number(k === 1);
    for (let i = 0; i < k; i++) this.reward += rewards[i];
    this.pathDepth += k * statistics.meanPathDepth;
    this.intermediateProportion += k * statistics.meanIntermediateProportion;
    count(this.tokenSources, group.tokens);
    count(this.groupSources, group.groups);
    this.diagnostics.merge(diagnostics);
    credit.forEach((rule, place) => {
      this.credit[place] ??= new CreditSums(rule.rule);
      this.credit[place].add(analysis, rule);
    });
    this.addSteps(analysis);
    this.addCompletions(analysis);
  }

  private addSteps({ tree, stepAdvantages }: GroupAnalysis): void {
    for (let node = 0; node < tree.nodeCount; node++) {
      const length = tree.end[node] - tree.start[node];
      if (length === 0) continue;
      const size = tree.size[node];
      const advantage = stepAdvantages[node];
      const once = length * Math.abs(advantage);

      let sums = this.bySize.get(size);
      if (!sums) {
        sums = { steps: 0, tokens: 0, mass: 0 };
        this.bySize.set(size, sums);
      }
      sums.steps++;
      sums.tokens += size * length;
      sums.mass += size * once;

      const depth = tree.depth[node];
      while (this.byDepth.length <= depth) this.byDepth.push({ up: 0, down: 0 });
      const sign = advantage > 0 ? 'up' : 'down';
      this.byDepth[depth][sign] += size * once;
      this.lambdaMass[sign] += once;
    }
  }

  private addCompletions({ tree, advantages, oppositeShare }: GroupAnalysis): void {
    const signs = signsOf(advantages);
    for (let i = 0; i < tree.groupSize; i++) {
      if (signs[i] === 0) continue;
      const against = oppositeShare[i];
      if (signs[i] > 0) {
        this.good++;
        if (against > MOST) this.pushedDown++;
      } else {
        this.bad++;
        if (against > MOST) this.pushedUp++;
      }
    }
  }

  figures(): LogFigures {
    const { right, wrong, other } = this.zeroVariance;
    const bySize = [...this.bySize].sort(([a], [b]) => a - b).map(([size, sums]) => ({ size, ...sums }));
    const shared = bySize.reduce((sum, { size, tokens }) => sum + (size > 1 ? tokens : 0), 0);
    const byDepth = this.byDepth.map((mass, depth) => ({ depth, ...mass }));
    const share = (part: number, whole: number) => (whole > 0 ? part / whole : 0);
    return {
      groups: this.groups,
      completions: this.completions,
      tokens: this.tokens,
      distinctTokens: this.distinctTokens,
      flatGroups: this.flatGroups,
      zeroVarianceGroups: right + wrong + other,
      zeroVariance: { right, wrong, other },
      singletonGroups: this.singletonGroups,
      meanReward: share(this.reward, this.completions),
      meanPathDepth: share(this.pathDepth, this.completions),
      meanIntermediateProportion: share(this.intermediateProportion, this.completions),
      sharedTokenShare: share(shared, this.tokens),
      tokensSaved: share(this.tokens - this.distinctTokens, this.tokens),
      bySize,
      byDepth,
      mass: {
        up: byDepth.reduce((sum, { up }) => sum + up, 0),
        down: byDepth.reduce((sum, { down }) => sum + down, 0),
      },
      lambdaMass: { ...this.lambdaMass },
      good: { completions: this.good, pushedDown: this.pushedDown },
      bad: { completions: this.bad, pushedUp: this.pushedUp },
      diagnostics: this.diagnostics.figures(),
      credit: this.credit.map((sums) => sums.figures()),
      tokenSources: { ...this.tokenSources },
      groupSources: { ...this.groupSources },
    };
  }
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
