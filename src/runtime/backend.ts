/**
 * Implementations of ONNX Runtime's common API: `onnxruntime-node` (node.ts), and `onnxruntime-web` in a browser. The
 * implementation is passed as an argument; only node.ts imports a package. Providers differ in the operators that they
 * support: a provider's pass replaces those that it lacks.
 */
import type { InferenceSession, TensorConstructor } from 'onnxruntime-common';
import { type Pass, webgpuPass } from '../graph/index.js';

/** The part of ONNX Runtime's common API that programs use. */
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

/** The rewriting that a provider needs; undefined: it supports every operator. */
export const passOf = (provider: Provider): Pass | undefined =>
  provider === 'webgpu' ? webgpuPass : undefined;
