/** The objective of the run that wrote a rollout file. `tree` and `analyze` use it for its groups. */
import { dirname } from 'node:path';
import { type RunObjective, runObjective } from '../analysis/index.js';
import { objectiveOfRollouts } from '../train/index.js';

/** Each run's configuration is read once. */
export class RunObjectives {
  private readonly known = new Map<string, RunObjective | null>();

  /** Null for a file that belongs to no run. @throws ConfigError for a run whose configuration cannot be read */
  for(file: string): RunObjective | null {
    const folder = dirname(file);
    let objective = this.known.get(folder);
    if (objective === undefined) {
      const read = objectiveOfRollouts(file);
      objective = read && runObjective(read);
      this.known.set(folder, objective);
    }
    return objective;
  }

  /** The distinct objectives that were requested so far. */
  get all(): readonly (RunObjective | null)[] {
    return [...this.known.values()];
  }
}
