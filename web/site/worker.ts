/** A worker that trains one policy on the binary tree. */
import recipe from '../../recipes/binary-tree.yaml?raw';
import { backendOf, threadsFor } from './backend.js';
import { configOf } from './config.js';
import type { FromWorker, ToWorker } from './messages.js';
import { StepLoop } from './steps.js';
import { type StepRecord, startTraining } from './training.js';

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};
/** Both methods train at the same time. */
const METHODS = 2;
const loop = new StepLoop<StepRecord>((record) => scope.postMessage({ kind: 'step', record }));

setInterval(() => scope.postMessage({ kind: 'alive' }), 2_000);

async function hear(message: ToWorker): Promise<void> {
  if (message.kind === 'until') return loop.goTo(message.step);
  const config = configOf(recipe, message.settings, message.method);
  const threads = threadsFor(METHODS);
  const training = startTraining(await backendOf(message.provider, threads), config);
  const { target, depth } = training;
  const { steps } = config.train;
  scope.postMessage({ kind: 'ready', target, depth, steps, threads });
  await loop.begin({ steps, next: () => training.next() });
}

scope.onmessage = ({ data }) => {
  hear(data).catch((error: Error) => scope.postMessage({ kind: 'fault', message: error.message }));
};
