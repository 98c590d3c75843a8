/** Sums for all diagnostics, one group at a time. */
import type { Group } from '../../rollouts/index.js';
import type { GroupAnalysis } from '../analyze-group.js';
import { AgeSums } from './age.js';
import type { Diagnostics } from './figures.js';
import { NoiseSums } from './noise.js';
import { MergedSums } from './prompts.js';
import { RetokenisedSums } from './retokenised.js';
import { TrainerSums } from './trainer.js';

export class DiagnosticSums {
  private readonly trainer = new TrainerSums();
  private readonly noise = new NoiseSums();
  private readonly retokenised = new RetokenisedSums();
  private readonly merged = new MergedSums();
  private readonly age = new AgeSums();
  private readonly idle = { copies: 0, once: 0 };
  private readonly all = { copies: 0, once: 0 };
  private shared = 0;

  add(group: Group, { tree, advantages, stepAdvantages }: GroupAnalysis): void {
    this.trainer.add(tree, group.completions);
    this.noise.add(tree, group.completions);
    this.retokenised.add(tree, group);
    this.merged.add(group, advantages);
    this.age.add(group);
    for (let node = 0; node < tree.nodeCount; node++) {
      const length = tree.end[node] - tree.start[node];
      const copies = length * tree.size[node];
      this.all.copies += copies;
      this.all.once += length;
      this.shared += (copies * tree.size[node]) / tree.groupSize;
      if (stepAdvantages[node] !== 0) continue;
      this.idle.copies += copies;
      this.idle.once += length;
    }
  }

  /** Adds the sums of another instance. */
  merge(other: DiagnosticSums): void {
    this.trainer.merge(other.trainer);
    this.noise.merge(other.noise);
    this.retokenised.merge(other.retokenised);
    this.merged.merge(other.merged);
    this.age.merge(other.age);
    for (const part of ['copies', 'once'] as const) {
      this.idle[part] += other.idle[part];
      this.all[part] += other.all[part];
    }
    this.shared += other.shared;
  }

  figures(): Diagnostics {
    const share = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);
    return {
      trainer: this.trainer.figures(),
      noise: this.noise.figures(),
      retokenised: this.retokenised.figures(),
      merged: this.merged.figures(),
      age: this.age.figures(),
      klAlone: {
        copies: share(this.idle.copies, this.all.copies),
        once: share(this.idle.once, this.all.once),
      },
      sharing: share(this.shared, this.all.copies),
    };
  }
}
