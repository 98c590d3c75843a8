/**
 * Several calls of the model that form one sequence: each prompt must continue the previous prompt and answer. The
 * tokens that it adds (a tool's result, a user's message) are part of the completion but are not trained.
 */
import type { Sample } from '../sample.js';
import { RolloutError } from '../values.js';

export interface Turn {
  readonly prompt: Int32Array;
  readonly sampled: Int32Array;
  readonly logprobs?: Float32Array;
}

/** @throws RolloutError if a turn does not continue the previous one, because the sequence was rewritten */
export function joinTurns(
  turns: readonly Turn[],
  where: string,
): Pick<Sample, 'prompt' | 'tokens' | 'mask' | 'logprobs'> {
  const { prompt } = turns[0];
  const ids: number[] = [];
  const mask: number[] = [];
  const logprobs: number[] = [];
  for (const turn of turns) {
    const before = prompt.length + ids.length;
    const goesOn =
      turn.prompt.length >= before &&
      prompt.every((id, i) => turn.prompt[i] === id) &&
      ids.every((id, i) => turn.prompt[prompt.length + i] === id);
    if (!goesOn)
      throw new RolloutError(
        `${where}: expected one growing sequence, got a turn whose prompt does not begin with the previous tokens`,
      );
    for (const id of turn.prompt.subarray(before)) {
      ids.push(id);
      mask.push(0);
      logprobs.push(0);
    }
    turn.sampled.forEach((id, t) => {
      ids.push(id);
      mask.push(1);
      logprobs.push(turn.logprobs?.[t] ?? 0);
    });
  }
  const known = turns.every((turn) => turn.logprobs?.length === turn.sampled.length);
  return {
    prompt: { tokens: prompt },
    tokens: Int32Array.from(ids),
    mask: Uint8Array.from(mask),
    ...(known ? { logprobs: Float32Array.from(logprobs) } : {}),
  };
}
