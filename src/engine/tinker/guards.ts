/** Refuses requests that a server would silently accept, never answer, or answer with NaN, before anything is sent. */
import {
  EngineError,
  type SampleRequest,
  type SamplingOptions,
  type TrainExample,
  type UpdateOptions,
} from '../engine.js';

/** Options that no server supports, in case they are requested despite the capabilities. */
export function refuseUnsupported(options: Partial<SamplingOptions & UpdateOptions>): void {
  const refuse = (key: string, expected: string, value: unknown): never => {
    throw new EngineError(`${key}: expected ${expected}, got ${value}`);
  };
  const { temperature = 1, maxTokens, allowedTokens, normOf, entropyBonus = 0, clipBound } = options;
  if (allowedTokens !== undefined)
    refuse('allowedTokens', 'the whole vocabulary', `${allowedTokens.length} tokens`);
  // Sampling at another temperature is allowed if the samples are not trained on.
  if (maxTokens === undefined && temperature !== 1) refuse('temperature', '1', temperature);
  if (normOf !== undefined) refuse('normOf', 'none (this engine cannot rescale a gradient)', 'a batch');
  if (entropyBonus !== 0) refuse('entropyBonus', '0', entropyBonus);
  if (clipBound !== undefined) refuse('clipBound', 'none', clipBound);
}

/** @param maxTokens of a completion */
export function checkRequest(
  { prompt, count }: SampleRequest,
  index: number,
  maxTokens: number,
  { vocabulary, contextLength }: { readonly vocabulary: number; readonly contextLength: number },
): void {
  const where = `request ${index + 1}`;
  if (prompt.length === 0) throw new EngineError(`${where}: expected a prompt of at least one token`);
  if (!(count >= 1)) throw new EngineError(`${where}: expected at least one completion, got ${count}`);
  if (!(maxTokens >= 1))
    throw new EngineError(`${where}: expected at least one token a completion, got ${maxTokens}`);
  if (prompt.length + maxTokens > contextLength) {
    throw new EngineError(
      `${where}: expected at most ${contextLength} tokens with the completion, got ${prompt.length + maxTokens}`,
    );
  }
  const wrong = prompt.find((id) => id < 0 || id >= vocabulary);
  if (wrong !== undefined) {
    throw new EngineError(`${where}: expected token ids from 0 to ${vocabulary - 1}, got ${wrong}`);
  }
}

/** π_old of an example that another engine sampled. */
export function oldOf({ oldLogprobs, tree }: TrainExample, index: number): Float32Array {
  if (oldLogprobs?.length === tree.distinctTokenCount) return oldLogprobs;
  const got = oldLogprobs === undefined ? 'none' : oldLogprobs.length;
  throw new EngineError(
    `example ${index + 1}: expected ${tree.distinctTokenCount} values of oldLogprobs, got ${got}`,
  );
}
