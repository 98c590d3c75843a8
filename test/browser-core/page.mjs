/** The script that the browser loads: the training steps, and ONNX Runtime's WebAssembly from the page's own server. */
import * as ort from 'onnxruntime-web/wasm';
import { trainingSteps } from './steps.mjs';

ort.env.wasm.wasmPaths = '/ort/';
ort.env.wasm.numThreads = 1;

/** WebGPU's graphs, computed by WebAssembly. */
const rewritten = {
  Tensor: ort.Tensor,
  InferenceSession: {
    create: (model, options) =>
      ort.InferenceSession.create(model, { ...options, executionProviders: ['wasm'] }),
  },
};

/** WebGPU itself. */
globalThis.gpuSteps = async (changes, count) => {
  const gpu = await import('onnxruntime-web/webgpu');
  gpu.env.wasm.wasmPaths = '/ort/';
  gpu.env.wasm.numThreads = 1;
  return trainingSteps({ runtime: gpu, provider: 'webgpu' }, changes, count);
};

globalThis.steps = (runtime, changes, count) =>
  trainingSteps(
    runtime === 'wasm' ? { runtime: ort, provider: 'wasm' } : { runtime: rewritten, provider: 'webgpu' },
    changes,
    count,
  );
