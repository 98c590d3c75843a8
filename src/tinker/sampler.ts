/**
 * Samples from saved weights. Sampling has no side effects, so a request may be repeated; with its seed the result is
 * the same.
 */

import type { Abortable, OpenSession } from './client.js';
import { decodeSample } from './codec.js';
import { ProtobufError } from './protobuf.js';
import type { SampledSequence, SamplingRequest } from './types.js';

export class Sampler {
  private requests = 0;

  constructor(
    private readonly session: OpenSession,
    readonly id: string,
  ) {}

  async sample(request: SamplingRequest, { signal }: Abortable = {}): Promise<SampledSequence[]> {
    this.session.check();
    return this.session.client.run({
      path: 'asample',
      body: {
        sampling_session_id: this.id,
        seq_id: this.requests++,
        num_samples: request.count,
        prompt: { chunks: [{ type: 'encoded_text', tokens: Array.from(request.prompt) }] },
        sampling_params: {
          max_tokens: request.maxTokens,
          temperature: request.temperature,
          seed: request.seed,
          top_k: request.topK ?? -1,
          top_p: request.topP ?? 1,
          ...(request.stop && request.stop.length > 0 ? { stop: [...request.stop] } : {}),
        },
        prompt_logprobs: false,
        type: 'sample',
      },
      repeatable: true,
      changes: false,
      read: (answer) => {
        const sequences = decodeSample(answer);
        if (sequences.length !== request.count) {
          throw new ProtobufError(`expected ${request.count} sequences, got ${sequences.length}`);
        }
        return sequences;
      },
      signal,
    });
  }
}
