/** The loop of a worker: it takes steps up to the given one, and reports each. */

export interface Stepper<R extends { readonly step: number }> {
  /** Steps of the whole run. */
  readonly steps: number;
  next(): Promise<R>;
}

export class StepLoop<R extends { readonly step: number }> {
  private stepper: Stepper<R> | null = null;
  private until = 0;
  private step = 0;
  private busy = false;

  /** @param report called with each step */
  constructor(private readonly report: (record: R) => void) {}

  /** @throws what a step throws */
  async begin(stepper: Stepper<R>): Promise<void> {
    this.stepper = stepper;
    await this.go();
  }

  /** Continues until this step is done. @throws what a step throws */
  async goTo(step: number): Promise<void> {
    this.until = step;
    await this.go();
  }

  private async go(): Promise<void> {
    const { stepper } = this;
    if (this.busy || !stepper) return;
    this.busy = true;
    try {
      while (this.step < Math.min(this.until, stepper.steps)) {
        const record = await stepper.next();
        this.step = record.step;
        this.report(record);
        // Lets messages of the page in.
        await new Promise((resolve) => setTimeout(resolve));
      }
    } finally {
      this.busy = false;
    }
  }
}
