/**
 * What `train` prints for its steps: a progress bar on a terminal; one line per step if standard output is a file or a
 * pipe. During long steps it names the current stage.
 */
import type { MetricsRecord, TrainObserver } from '../train/index.js';
import { Progress, StepLines } from './progress.js';
import { drawing, drawsBar, outputIsTTY, print, say } from './terminal.js';

/** Steps longer than this report their stages. */
const SLOW_STEP_MS = 2000;
/** Time without output after which the stage of a long step, or a step of a quick warm-up, gets a line. */
const QUIET_MS = 5000;

export class TrainDisplay {
  private readonly lines = outputIsTTY() && drawing.isTTY ? null : new StepLines(print);
  private readonly draws = drawsBar();
  private bar: Progress | null = null;
  private latest = '';
  private since = performance.now();
  private slow = true;

  constructor(private readonly method: string) {}

  readonly observer: Required<TrainObserver> = {
    notice: (line) => {
      this.clear();
      say(`note: ${line}`);
    },
    warmup: ({ step, loss }, steps) => {
      const note = `loss ${loss.toFixed(3)}`;
      this.draw('warm-up', step - 1, steps)?.update(step, note);
      if (step === steps) {
        this.lines?.step('warm-up', step, steps, note);
        this.end();
        this.since = performance.now();
      } else this.lines?.stage(`warm-up ${step}/${steps}  ${note}`, QUIET_MS);
    },
    step: (record, steps) => {
      this.latest = noteOf(record);
      this.slow = performance.now() - this.since > SLOW_STEP_MS;
      this.since = performance.now();
      this.draw(this.method, record.step - 1, steps)?.update(record.step, this.latest);
      this.lines?.step(this.method, record.step, steps, this.latest);
    },
    stage: (stage, step, steps) => {
      const done = Math.max(0, step - 1);
      // Stages are reported from the first step on, until a step was quick.
      if (this.slow)
        this.draw(this.method, done, steps)?.update(done, `${this.latest}  ${stage} …`.trim(), true);
      this.lines?.stage(`${this.method} ${done}/${steps}  ${stage} …`, QUIET_MS);
    },
  };

  /** Clears the bar for other output. */
  clear(): void {
    this.bar?.clear();
  }

  /** Keeps the last state on the screen. */
  end(): void {
    this.bar?.end();
    this.bar = null;
  }

  private draw(label: string, done: number, total: number): Progress | null {
    if (this.draws) this.bar ??= new Progress({ label, total, done });
    return this.bar;
  }
}

function noteOf(record: MetricsRecord): string {
  const parts = [
    `reward ${record.reward_mean.toFixed(2)}`,
    `success ${(100 * record.success_rate).toFixed(0)}%`,
  ];
  if (record.eval_accuracy !== undefined) parts.push(`held-out accuracy ${record.eval_accuracy.toFixed(3)}`);
  return parts.join('  ');
}
