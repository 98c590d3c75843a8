/**
 * Diagnosis of a run from the trees of its rollouts. Step files are read once, oldest first, for a limited time per
 * request. So a run of 100,000 steps costs nothing until a page asks, and no request waits for all of it. Files are
 * written as a whole and do not change; after a resumption, which may write some again, all are read again.
 */
import { setTimeout } from 'node:timers/promises';
import { type RunObjective, TreeDiagnosis } from '../analysis/index.js';
import { parseGroup } from '../rollouts/index.js';
import { RunFolder } from '../train/run-folder.js';
import { messageOf } from './errors.js';
import { judgedGroup } from './group-rows.js';
import { openInside } from './inside.js';
import { LONGEST_LINE, linesOf } from './lines.js';

/** Reading time per request, ms; a file that was begun is read to its end. */
const QUANTUM = 1500;
/** Longest time that a request waits for reading, ms. */
const PATIENCE = 1000;
/** Longest time without handling other requests, ms. */
const BREATH = 50;

export class RolloutDiagnosis {
  private sums = new TreeDiagnosis();
  private steps: readonly number[] = [];
  private done = 0;
  private firstProblem: string | null = null;
  private state = '';
  private reading: Promise<void> | null = null;

  /**
   * @param root the runs folder
   * @param parts the run's names below it
   */
  constructor(
    private readonly root: string,
    private readonly parts: readonly string[],
  ) {}

  /** Number of steps included in the figures. */
  get read(): number {
    return this.done;
  }

  /** The first file that cannot be read. */
  get problem(): string | null {
    return this.firstProblem;
  }

  figures() {
    return this.sums.figures();
  }

  /**
   * Reads more, for a limited time.
   * @param steps that have rollouts, ascending
   * @param state changes if data that was read before is no longer valid
   */
  async readMore(steps: readonly number[], state: string, objective: RunObjective | null): Promise<void> {
    const now = JSON.stringify([state, objective]);
    if (!this.reading) {
      const goesOn = this.state === now && this.steps.every((step, i) => steps[i] === step);
      if (!goesOn) {
        this.sums = new TreeDiagnosis();
        this.done = 0;
        this.firstProblem = null;
        this.state = now;
      }
      this.steps = steps;
      if (this.done < steps.length) {
        this.reading = this.readSome(objective).finally(() => {
          this.reading = null;
        });
      }
    }
    if (this.reading) await Promise.race([this.reading, setTimeout(PATIENCE, undefined, { ref: false })]);
  }

  private async readSome(objective: RunObjective | null): Promise<void> {
    const until = performance.now() + QUANTUM;
    while (this.done < this.steps.length && performance.now() < until) {
      const step = this.steps[this.done];
      const name = new RunFolder('').rolloutsFile(step);
      await this.readFile(name, objective).catch((error) => {
        this.firstProblem ??= messageOf(error);
      });
      this.done++;
    }
  }

  private async readFile(name: string, objective: RunObjective | null): Promise<void> {
    const file = await openInside(this.root, [...this.parts, ...name.split(/[/\\]/)]);
    if (!file) return;
    let breath = performance.now();
    try {
      for await (const { number, bytes } of linesOf(file)) {
        if (performance.now() - breath > BREATH) {
          await setTimeout(0);
          breath = performance.now();
        }
        const where = `${name}:${number}`;
        try {
          if (bytes === null) throw new Error(`${where}: longer than ${LONGEST_LINE} bytes`);
          const text = bytes.toString('utf8');
          if (text.trim() === '') continue;
          const group = parseGroup(text, where);
          this.sums.add(group, judgedGroup(group, objective));
        } catch (error) {
          this.firstProblem ??= messageOf(error);
        }
      }
    } finally {
      await file.close();
    }
  }
}
