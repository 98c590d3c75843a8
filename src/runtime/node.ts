/**
 * ONNX Runtime's package for Node.js; only this module imports it. It is loaded when something is computed, so that
 * logs can be read without it or on a platform for which it has no binary.
 */
import { createRequire } from 'node:module';
import { UserError } from '../errors.js';
import type { Backend, OnnxRuntime, Provider } from './backend.js';

/** The runtime cannot be loaded; the message says what to do. */
export class RuntimeMissingError extends UserError {
  override name = 'RuntimeMissingError';
}

/** Platforms for which onnxruntime-node 1.30 has binaries. */
export const PLATFORMS = ['linux/x64', 'linux/arm64', 'darwin/arm64', 'win32/x64', 'win32/arm64'];

let loaded: OnnxRuntime | null = null;

/** @throws RuntimeMissingError if onnxruntime-node is not installed or cannot be loaded */
export function nodeBackend(provider: Provider = 'cpu'): Backend {
  // Disables the package's telemetry, which must happen before it is loaded.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  loaded ??= load(createRequire(import.meta.url));
  return { runtime: loaded, provider };
}

/** Names of the execution providers that the installed package was built with. @throws RuntimeMissingError */
export function runtimeProviders(): readonly string[] {
  const { runtime } = nodeBackend();
  const { listSupportedBackends } = runtime as OnnxRuntime & {
    listSupportedBackends(): readonly { readonly name: string }[];
  };
  return listSupportedBackends().map(({ name }) => name);
}

/** @param require of this module @param platform of this process */
export function load(
  require: (name: string) => unknown,
  platform = `${process.platform}/${process.arch}`,
): OnnxRuntime {
  try {
    return require('onnxruntime-node') as OnnxRuntime;
  } catch (error) {
    const { message } = error as Error;
    if (!PLATFORMS.includes(platform)) {
      throw new RuntimeMissingError(
        `onnxruntime-node has no binary for ${platform}, only for ${PLATFORMS.join(', ')}; ` +
          'analyze, tree and dashboard work without it',
      );
    }
    if (/Cannot find (module|package) 'onnxruntime-node'/.test(message)) {
      throw new RuntimeMissingError(
        'onnxruntime-node is not installed: npm skips it if its install script cannot download its GPU files, ' +
          'which are not needed here; install lambda-grpo again with --ignore-scripts',
      );
    }
    const [line] = message.split('\n');
    throw new RuntimeMissingError(`onnxruntime-node cannot be loaded: ${line}`);
  }
}
