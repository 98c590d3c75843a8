/** What a reader sets: the binary tree's controls. They stand in the page's address too, so the names are short. */

/** The controls, by their short names; texts as they were typed. */
export interface Settings {
  readonly n: string;
  readonly rneg: string;
  readonly optimizer: string;
  readonly lr: string;
  readonly epsilon: string;
  /** Largest norm of the gradient; empty: never clipped. */
  readonly clip: string;
  readonly seed: string;
  readonly steps: string;
}

export const SETTINGS: Settings = {
  n: '1',
  rneg: '-1',
  optimizer: 'adamw',
  lr: '0.001',
  epsilon: '0.001',
  clip: '',
  seed: '0',
  steps: '250',
};
