/** Messages between the page and a training worker. */
import type { Method } from '../../src/core.js';
import type { Settings } from './settings.js';
import type { StepRecord } from './training.js';

/** What the worker computes with. */
export type SiteProvider = 'wasm' | 'webgpu';

export type ToWorker =
  | {
      readonly kind: 'start';
      readonly settings: Settings;
      readonly method: Method;
      readonly provider: SiteProvider;
    }
  /** Train until this step is done. */
  | { readonly kind: 'until'; readonly step: number };

export type FromWorker =
  | {
      readonly kind: 'ready';
      readonly target: string;
      readonly depth: number;
      readonly steps: number;
      /** Threads of WebAssembly. */
      readonly threads: number;
    }
  | { readonly kind: 'step'; readonly record: StepRecord }
  /** Sent every few seconds, also while waiting for the graphics card. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'fault'; readonly message: string };
