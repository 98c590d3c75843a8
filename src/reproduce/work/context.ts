/** The environment of a unit, besides its content. */
export interface WorkContext {
  /** The work folder of all units. */
  readonly folder: string;
  /** The unit's name in it. */
  readonly id: string;
  /** Once aborted, a long unit ends early (with a checkpoint) and throws `Interrupted`. */
  readonly signal?: AbortSignal;
  /** Called with the finished share of the unit, 0 … 1. */
  progress(share: number): void;
}

/** A unit that was asked to end early. */
export class Interrupted extends Error {}
