/** ONNX Runtime for a worker, loaded from the page's own folder. */
import gpuWasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import type { Backend } from '../../src/core.js';
import type { SiteProvider } from './messages.js';

/** The page's models are small: more threads would only wait for each other. */
const MOST_THREADS = 4;

/**
 * Number of WebAssembly threads. Threads need shared memory, which needs the isolation headers that `npx lambda-grpo
 * site` sends.
 * @param workers that compute at the same time
 */
export function threadsFor(workers: number): number {
  if (!crossOriginIsolated) return 1;
  return Math.max(1, Math.min(MOST_THREADS, Math.floor(navigator.hardwareConcurrency / workers)));
}

export async function backendOf(provider: SiteProvider, threads: number): Promise<Backend> {
  const gpu = provider === 'webgpu';
  const runtime = await (gpu ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
  runtime.env.wasm.wasmPaths = { wasm: gpu ? gpuWasm : wasm };
  runtime.env.wasm.numThreads = gpu ? 1 : threads;
  return { runtime, provider };
}
