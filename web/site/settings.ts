/** The controls of the binary tree that a reader sets. They are also stored in the address, so the names are short. */

/** The controls by their short names; the texts as typed. */
export interface Settings {
  readonly n: string;
  readonly rneg: string;
  readonly optimizer: string;
  readonly lr: string;
  readonly epsilon: string;
  /** Largest norm of the gradient; empty: no clipping. */
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
