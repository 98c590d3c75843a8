/** One policy in a worker: loads ONNX Runtime from the page's own folder, then takes steps until the step it was told. */
import gpuWasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import recipe from '../../recipes/binary-tree.yaml?raw';
import type { Backend } from '../../src/core.js';
import { configOf } from './config.js';
import type { FromWorker, SiteProvider, ToWorker } from './messages.js';
import { startTraining, type TreeTraining } from './training.js';

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};

let training: TreeTraining | null = null;
let until = 0;
let steps = 0;
let step = 0;
let busy = false;

async function backendOf(provider: SiteProvider): Promise<Backend> {
  const gpu = provider === 'webgpu';
  const runtime = await (gpu ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
  runtime.env.wasm.wasmPaths = { wasm: gpu ? gpuWasm : wasm };
  // Two workers on a small model: a second thread each would only wait.
  runtime.env.wasm.numThreads = 1;
  return { runtime, provider };
}

async function go(): Promise<void> {
  if (busy || !training) return;
  busy = true;
  try {
    while (step < Math.min(until, steps)) {
      const record = await training.next();
      step = record.step;
      scope.postMessage({ kind: 'step', record });
      // Lets the page's messages in.
      await new Promise((resolve) => setTimeout(resolve));
    }
  } catch (error) {
    scope.postMessage({ kind: 'fault', message: (error as Error).message });
  } finally {
    busy = false;
  }
}

scope.onmessage = async ({ data }) => {
  if (data.kind === 'until') {
    until = data.step;
    await go();
    return;
  }
  try {
    const config = configOf(recipe, data.settings, data.method);
    ({ steps } = config.train);
    training = startTraining(await backendOf(data.provider), config);
    const { target, depth } = training;
    scope.postMessage({ kind: 'ready', target, depth, steps });
    await go();
  } catch (error) {
    scope.postMessage({ kind: 'fault', message: (error as Error).message });
  }
};
