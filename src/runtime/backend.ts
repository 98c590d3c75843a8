/**
 * What implements ONNX Runtime's common API: `onnxruntime-node` here (node.ts), `onnxruntime-web` in a browser. It is handed
 * in; nothing of ours but node.ts names a package. Providers differ in the operators that they have kernels for: the pass of
 * a provider replaces those that it lacks.
 */
import type { InferenceSession, TensorConstructor } from 'onnxruntime-common';
import { type Pass, webgpuPass } from '../graph/index.js';

/** The part of ONNX Runtime's common API that programs are run by. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: TensorConstructor;
}

/** ONNX Runtime's names of its execution providers. */
export type Provider = 'cpu' | 'cuda' | 'coreml' | 'dml' | 'wasm' | 'webgpu';

/** A runtime and the provider that computes. */
export interface Backend {
  readonly runtime: OnnxRuntime;
  readonly provider: Provider;
}

/** What a provider needs rewritten; undefined: it has every operator. */
export const passOf = (provider: Provider): Pass | undefined =>
  provider === 'webgpu' ? webgpuPass : undefined;
