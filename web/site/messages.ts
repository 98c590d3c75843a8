/** What the page and a training worker say to each other. */
import type { Method } from '../../src/core.js';
import type { Settings } from './settings.js';
import type { StepRecord } from './training.js';

/** What computes in the worker. */
export type SiteProvider = 'wasm' | 'webgpu';

export type ToWorker =
  | {
      readonly kind: 'start';
      readonly settings: Settings;
      readonly method: Method;
      readonly provider: SiteProvider;
    }
  /** Goes on until this step is taken. */
  | { readonly kind: 'until'; readonly step: number };

export type FromWorker =
  | {
      readonly kind: 'ready';
      readonly target: string;
      readonly depth: number;
      readonly steps: number;
      /** On which WebAssembly computes. */
      readonly threads: number;
    }
  | { readonly kind: 'step'; readonly record: StepRecord }
  /** Every few seconds, also while the graphics card is waited for. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'fault'; readonly message: string };
