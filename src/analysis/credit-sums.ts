/** Sums over groups under one credit rule, for `LogGatherer`: mass by sign and depth, completions pushed the wrong way. */
import type { GroupAnalysis } from './analyze-group.js';
import type { CreditFigures } from './figures.js';
import type { GroupCredit } from './group-credit.js';

/** "Most of its tokens" means more than this share. */
export const MOST = 0.5;
/** An advantage this much smaller than the largest is rounding: the reward equals the mean. */
const ROUNDING = 1e-9;

/** 1 for good completions, −1 for bad ones, 0 if the advantage is 0 up to rounding, [k]. */
export function signsOf(advantages: Float64Array): Int8Array {
  let largest = 0;
  for (const advantage of advantages) largest = Math.max(largest, Math.abs(advantage));
  return Int8Array.from(advantages, (a) => (Math.abs(a) <= ROUNDING * largest ? 0 : Math.sign(a)));
}

export class CreditSums {
  private readonly byDepth: { up: number; down: number }[] = [];
  private readonly good = { completions: 0, pushedDown: 0 };
  private readonly bad = { completions: 0, pushedUp: 0 };
  private reversed = 0;

  constructor(private readonly rule: string) {}

  add({ tree, advantages, stepAdvantages }: GroupAnalysis, { push, first, against }: GroupCredit): void {
    for (let node = 0; node < tree.nodeCount; node++) {
      const length = tree.end[node] - tree.start[node];
      if (length === 0) continue;
      const depth = tree.depth[node];
      while (this.byDepth.length <= depth) this.byDepth.push({ up: 0, down: 0 });
      const take = (value: number, tokens: number): void => {
        this.byDepth[depth][value > 0 ? 'up' : 'down'] += Math.abs(value) * tokens;
        if (value * stepAdvantages[node] < 0) this.reversed += Math.abs(value) * tokens;
      };
      take(first[node], 1);
      take(push[node], length - 1);
    }
    const signs = signsOf(advantages);
    for (let i = 0; i < tree.groupSize; i++) {
      if (signs[i] === 0) continue;
      const isAgainst = against[i] > MOST;
      if (signs[i] > 0) {
        this.good.completions++;
        if (isAgainst) this.good.pushedDown++;
      } else {
        this.bad.completions++;
        if (isAgainst) this.bad.pushedUp++;
      }
    }
  }

  figures(): CreditFigures {
    const byDepth = this.byDepth.map((mass, depth) => ({ depth, ...mass }));
    return {
      rule: this.rule,
      mass: {
        up: byDepth.reduce((sum, { up }) => sum + up, 0),
        down: byDepth.reduce((sum, { down }) => sum + down, 0),
      },
      byDepth,
      good: { ...this.good },
      bad: { ...this.bad },
      reversed: this.reversed,
    };
  }
}
