/**
 * A worker that trains on sums: it loads the warmed-up weights from the page's folder, then takes steps up to the given
 * one.
 */
import recipe from '../../recipes/arithmetic.yaml?raw';
import type { Method } from '../../src/core.js';
import { backendOf, threadsFor } from './backend.js';
import { StepLoop } from './steps.js';
import weights from './sums.safetensors?url';
import { type SumsRecord, startSums, sumsConfig } from './sums-training.js';

export type ToSums =
  | { readonly kind: 'start'; readonly method: Method }
  | { readonly kind: 'until'; readonly step: number };
export type FromSums =
  | { readonly kind: 'ready'; readonly steps: number; readonly threads: number }
  | { readonly kind: 'step'; readonly record: SumsRecord }
  | { readonly kind: 'fault'; readonly message: string };

const scope = self as unknown as {
  postMessage(message: FromSums): void;
  onmessage: ((event: MessageEvent<ToSums>) => void) | null;
};
const loop = new StepLoop<SumsRecord>((record) => scope.postMessage({ kind: 'step', record }));

async function warmWeights(): Promise<Uint8Array> {
  const response = await fetch(weights);
  if (!response.ok) throw new Error(`the warmed-up weights: ${weights} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function hear(message: ToSums): Promise<void> {
  if (message.kind === 'until') return loop.goTo(message.step);
  const config = sumsConfig(recipe, message.method);
  const threads = threadsFor(1);
  const [backend, warm] = await Promise.all([backendOf('wasm', threads), warmWeights()]);
  const training = await startSums(backend, config, warm);
  const { steps } = config.train;
  scope.postMessage({ kind: 'ready', steps, threads });
  await loop.begin({ steps, next: () => training.next() });
}

scope.onmessage = ({ data }) => {
  hear(data).catch((error: Error) => scope.postMessage({ kind: 'fault', message: error.message }));
};
