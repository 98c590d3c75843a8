/** ONNX Runtime for a worker, loaded from the page's own folder. */
import gpuWasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import type { Backend } from '../../src/core.js';
import type { SiteProvider } from './messages.js';

export async function backendOf(provider: SiteProvider): Promise<Backend> {
  const gpu = provider === 'webgpu';
  const runtime = await (gpu ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
  runtime.env.wasm.wasmPaths = { wasm: gpu ? gpuWasm : wasm };
  // Models of the page are small: a second thread would only wait.
  runtime.env.wasm.numThreads = 1;
  return { runtime, provider };
}
