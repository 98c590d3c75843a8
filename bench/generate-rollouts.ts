/**
 * Writes synthetic rollout logs with token ids, as a training run would: groups of completions that share prefixes, ids
 * distributed like a vocabulary of 150,000. Two shapes: our own log (with or without log-probabilities), and one
 * completion per row for the generic reader.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

export interface GenerateOptions {
  readonly file: string;
  /** Stop after the group that reaches this size, in bytes. */
  readonly bytes: number;
  readonly shape: 'own' | 'own-logprobs' | 'rows';
  /** Completions of a group. */
  readonly k?: number;
  /** Tokens of a completion, on average. */
  readonly length?: number;
}

/** What was written. */
export interface Generated {
  readonly bytes: number;
  readonly groups: number;
  readonly completions: number;
  /** Tokens of the completions; prompts are not counted. */
  readonly tokens: number;
}

/** Writes a log of about the given size. The same options give the same file. */
export async function generateRollouts(options: GenerateOptions): Promise<Generated> {
  const { file, bytes: wanted, shape, k = 16, length = 1000 } = options;
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const ids = (n: number) => Array.from({ length: n }, () => Math.floor(random() ** 2 * 150_000));
  const out = createWriteStream(file, { highWaterMark: 1 << 22 });
  let [bytes, groups, completions, tokens] = [0, 0, 0, 0];
  // Generating numbers is slower than writing them, so 64 bodies are generated once and reused.
  const bodies = Array.from({ length: 64 }, () => ids(Math.floor(length * (0.5 + random()))));
  const logs = bodies.map((body) => `[${body.map(() => (Math.log(random()) / 2).toFixed(8)).join(',')}]`);
  const texts = bodies.map((body) => body.join(','));
  for (let g = 0; bytes < wanted; g++) {
    const prompt = ids(200).join(',');
    const begin = ids(40);
    const list = Array.from({ length: k }, () => {
      const b = Math.floor(random() * bodies.length);
      const shared = shape === 'own-logprobs' ? 0 : Math.floor(random() * begin.length);
      const head = begin.slice(0, shared).join(',');
      tokens += shared + bodies[b].length;
      return {
        tokens: `[${head}${head && ','}${texts[b]}]`,
        logprobs: logs[b],
        reward: Number(random() < 0.5),
      };
    });
    const step = 1 + Math.floor(g / 64);
    const text =
      shape === 'rows'
        ? list
            .map(
              (c) =>
                `{"step":${step},"group":"g${g}","prompt":[${prompt}],"tokens":${c.tokens},"reward":${c.reward}}\n`,
            )
            .join('')
        : `{"id":"g${g}","step":${step},"tokens":"exact","groups":"explicit","prompt":{"tokens":[${prompt}]},"completions":[${list
            .map(
              (c) =>
                `{"tokens":${c.tokens},${shape === 'own' ? '' : `"logprobs":${c.logprobs},`}"reward":${c.reward}}`,
            )
            .join(',')}]}\n`;
    bytes += text.length;
    groups++;
    completions += k;
    if (!out.write(text, 'latin1')) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return { bytes, groups, completions, tokens };
}
