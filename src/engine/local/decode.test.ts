import { describe, expect, it } from 'vitest';
import { smallLlama } from '../../../test/small-llama.js';
import type { ModelConfig } from '../../model/index.js';
import { Stream } from '../../random/stream.js';
import type { Backend } from '../../runtime/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree } from '../../tree/index.js';
import type { SampledCompletion, SamplingOptions } from '../engine.js';
import type { DecodeLimits } from './decode.js';
import { LocalEngine } from './local-engine.js';

const model = { vocabularySize: 12, contextLength: 64, width: 16, layers: 2, heads: 2 };

/** Both caches: slots, and blocks of few tokens. */
const caches: [string, Partial<DecodeLimits>][] = [
  ['slots', {}],
  ['blocks of 5', { blockWidth: 5 }],
  ['slots, prompts shared', { sharesPrompts: true }],
  ['blocks of 5, prompts shared', { blockWidth: 5, sharesPrompts: true }],
];

function makeEngine(
  limits: Partial<DecodeLimits> = {},
  backend = nodeBackend(),
  shape: ModelConfig = model,
): LocalEngine {
  const engine = new LocalEngine({
    model: shape,
    seed: 5,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    backend,
    threads: 1,
    decode: { prefillTokens: 40, ...limits },
  });
  const stream = new Stream('weights');
  engine.parameters.flat.forEach((value, i) => {
    engine.parameters.flat[i] = value + 0.25 * stream.normal();
  });
  return engine;
}

const requests = [
  { prompt: Int32Array.of(1), count: 12, key: ['a'] },
  { prompt: Int32Array.of(3, 4, 5, 6, 7, 8, 9), count: 5, key: ['b'] },
  { prompt: Int32Array.from({ length: 30 }, (_, i) => i % 12), count: 1, key: ['c'] },
  { prompt: Int32Array.of(2, 2), count: 9, key: ['d'] },
];

const base: SamplingOptions = {
  maxTokens: 25,
  temperature: 1,
  topK: 0,
  topP: 1,
  stopTokens: [0],
  seed: 3,
};

/** The log-probabilities of a completion are those of the full forward pass over its prompt and itself. */
async function expectForward(
  engine: LocalEngine,
  prompt: Int32Array,
  { tokens, logprobs }: SampledCompletion,
  { temperature, allowedTokens }: SamplingOptions,
): Promise<void> {
  const scores = await engine.score([{ prompt, tree: ProcessTree.build([tokens]) }], 'current', {
    temperature,
    allowedTokens,
  });
  logprobs.forEach((value, t) => {
    expect(Math.abs(value - scores.logprobs[0][t])).toBeLessThan(1e-4);
  });
}

describe('decoding with the cache', () => {
  const variants: [string, Partial<SamplingOptions>][] = [
    ['sampled', {}],
    [
      'sampled at temperature 0.6 from allowed tokens only',
      { temperature: 0.6, allowedTokens: [0, 2, 4, 6, 8] },
    ],
    ['sampled with top-k 3', { topK: 3 }],
    ['sampled with top-p 0.5', { topP: 0.5 }],
    ['greedy', { temperature: 0 }],
  ];
  for (const [[name, change], [cache, limits]] of variants.flatMap((variant) =>
    caches.map((cache) => [variant, cache] as const),
  )) {
    it(`${name}, cached in ${cache}: gives the log-probabilities of the full forward pass`, async () => {
      const engine = makeEngine(limits);
      const options = { ...base, ...change };
      const { completions } = await engine.sample(requests, options);
      for (const [r, group] of completions.entries()) {
        expect(group.length).toBe(requests[r].count);
        for (const completion of group) {
          await expectForward(engine, requests[r].prompt, completion, options);
          expect(completion.tokens.length).toBeGreaterThan(0);
          const stopped = completion.tokens.indexOf(0);
          if (completion.stop === 'stop') expect(stopped).toBe(completion.tokens.length - 1);
          else expect([stopped, completion.tokens.length]).toEqual([-1, options.maxTokens]);
          if (options.allowedTokens)
            for (const token of completion.tokens) expect(options.allowedTokens).toContain(token);
        }
      }
      await engine.dispose();
    });
  }

  it.each([
    ['sampled', {}],
    ['greedy', { temperature: 0 }],
  ] as const)(
    '%s from 1,100 tokens, chosen in the graph: gives the log-probabilities of the full forward pass',
    async (_, change) => {
      const engine = new LocalEngine({
        model: { ...model, vocabularySize: 1100 },
        seed: 5,
        optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
        backend: nodeBackend(),
        threads: 1,
      });
      const options = { ...base, stopTokens: [], ...change };
      const { completions } = await engine.sample(requests.slice(0, 2), options);
      for (const [r, group] of completions.entries()) {
        for (const completion of group.slice(0, 3)) {
          await expectForward(engine, requests[r].prompt, completion, options);
        }
      }
      await engine.dispose();
    },
  );

  it.each(caches)('with grouped heads, cached in %s: the same', async (_, limits) => {
    const grouped = { ...model, width: 12, heads: 6, architecture: smallLlama(4, 16) };
    const engine = makeEngine({ prefillLength: 7, ...limits }, nodeBackend(), grouped);
    const { completions } = await engine.sample(requests, base);
    for (const [r, group] of completions.entries()) {
      for (const completion of group) {
        await expectForward(engine, requests[r].prompt, completion, base);
      }
    }
    await engine.dispose();
  });

  it('greedy takes the likeliest token at every step', async () => {
    const engine = makeEngine();
    const options = { ...base, temperature: 0 };
    const { completions } = await engine.sample(requests.slice(0, 2), options);
    for (const [r, [completion]] of completions.entries()) {
      for (let t = 0; t < completion.tokens.length; t++) {
        const prefix = completion.tokens.slice(0, t);
        const alternatives = Array.from({ length: 12 }, (_, v) => Int32Array.of(...prefix, v));
        const { logprobs } = await engine.score(
          alternatives.map((c) => ({ prompt: requests[r].prompt, tree: ProcessTree.build([c]) })),
          'current',
          { temperature: 1 },
        );
        const last = logprobs.map((values) => values[t]);
        expect(last.indexOf(Math.max(...last))).toBe(completion.tokens[t]);
      }
    }
    await engine.dispose();
  });

  it('a sample does not depend on what else is in the batch, on when it is admitted or on repetition', async () => {
    const engine = makeEngine();
    const { completions: together } = await engine.sample(requests, base);
    const { completions: again } = await engine.sample(requests, base);
    expect(again).toEqual(together);
    // Rows that wait for others to end, groups that are split, and prompts that are processed in parts.
    const narrow = makeEngine({ maxRows: 13, prefillLength: 7 });
    const { completions: admitted } = await narrow.sample(requests, base);
    const oneRow = makeEngine({ rowsThatFit: () => 1 });
    const { completions: single } = await oneRow.sample(requests, base);
    // Blocks that are freed and reused while rows come and go, and parts of prompts that read earlier parts.
    const inBlocks = makeEngine({ maxRows: 13, prefillLength: 7, blockWidth: 3 });
    const { completions: blocks } = await inBlocks.sample(requests, base);
    expect((await inBlocks.sample(requests, base)).completions).toEqual(blocks);
    // Prompts that are cached once, come and go with their rows, and are read in parts.
    const sharing = makeEngine({ maxRows: 13, prefillLength: 7, sharesPrompts: true });
    const { completions: shared } = await sharing.sample(requests, base);
    const sharingBlocks = makeEngine({ maxRows: 13, prefillLength: 7, blockWidth: 3, sharesPrompts: true });
    const { completions: sharedBlocks } = await sharingBlocks.sample(requests, base);
    for (const [r, group] of together.entries()) {
      const alone = (await engine.sample([requests[r]], base)).completions[0];
      group.forEach((completion, i) => {
        expect([...alone[i].tokens]).toEqual([...completion.tokens]);
        expect([...admitted[r][i].tokens]).toEqual([...completion.tokens]);
        expect([...single[r][i].tokens]).toEqual([...completion.tokens]);
        expect([...blocks[r][i].tokens]).toEqual([...completion.tokens]);
        expect([...shared[r][i].tokens]).toEqual([...completion.tokens]);
        expect([...sharedBlocks[r][i].tokens]).toEqual([...completion.tokens]);
        blocks[r][i].logprobs.forEach((logprob, t) => {
          expect(logprob).toBeCloseTo(completion.logprobs[t], 4);
        });
        admitted[r][i].logprobs.forEach((logprob, t) => {
          expect(logprob).toBeCloseTo(completion.logprobs[t], 4);
        });
      });
    }
    await engine.dispose();
    await narrow.dispose();
    await oneRow.dispose();
    await inBlocks.dispose();
    await sharing.dispose();
    await sharingBlocks.dispose();
  });

  it.each(caches)('prompts that begin alike are read once up to there, cached in %s', async (_, limits) => {
    const begin = Array.from({ length: 20 }, (_, i) => (5 * i + 3) % 12);
    const alike = [[1, 2], [1], [7, 8, 9, 10]].map((end, r) => ({
      prompt: Int32Array.from([...begin, ...end]),
      count: 3,
      key: [r],
    }));
    for (const prefillLength of [1024, 6]) {
      const engine = makeEngine({ ...limits, prefillTokens: 100, prefillLength });
      const options = { ...base, stopTokens: [] };
      const { completions, statistics } = await engine.sample(alike, options);
      const prefixes = completions.map((group) => {
        const all = group.flatMap(({ tokens }) =>
          Array.from({ length: 24 }, (_, t) => tokens.slice(0, t + 1).join()),
        );
        return new Set(all).size;
      });
      expect(statistics.decodedTokens).toBe(20 + 2 + 1 + 4 + prefixes.reduce((n, count) => n + count, 0));
      for (const [r, group] of completions.entries()) {
        for (const completion of group) {
          await expectForward(engine, alike[r].prompt, completion, options);
        }
      }
      await engine.dispose();
    }
  });

  it('never decodes more rows than fit, and takes the next request in as soon as there is room', async () => {
    const decoded: number[] = [];
    const backend = nodeBackend();
    const counting: Backend = {
      ...backend,
      runtime: {
        ...backend.runtime,
        InferenceSession: {
          create: async (bytes, settings) => {
            const session = await backend.runtime.InferenceSession.create(bytes, settings);
            return {
              run: (feeds: Parameters<typeof session.run>[0]) => {
                const [rows, newTokens] = feeds.tokens.dims;
                if (newTokens === 1) decoded.push(rows);
                return session.run(feeds);
              },
              release: () => session.release(),
            } as unknown as typeof session;
          },
        },
      },
    };
    const engine = makeEngine({ rowsThatFit: () => 8 }, counting);
    // Completions of 1, 2, …, 12 tokens in turn, one sample per request: eight rows are busy until the requests run
    // out.
    let sample = 0;
    const watch = () => {
      const length = 1 + (sample++ % 12);
      let seen = 0;
      return () => ++seen === length;
    };
    const many = Array.from({ length: 60 }, (_, i) => ({
      prompt: Int32Array.of(1, i % 12),
      count: 1,
      key: [i],
    }));
    const { completions } = await engine.sample(many, { ...base, stopTokens: [], watch });
    expect(completions.map(([{ tokens }]) => tokens.length)).toEqual(many.map((_, i) => 1 + (i % 12)));
    expect(Math.max(...decoded)).toBeLessThanOrEqual(8);
    // 330 tokens after the first token of each. In waves of 8, every wave would take as many steps as its longest: 8 ×
    // 11 in all.
    const tokens = decoded.reduce((n, rows) => n + rows, 0);
    expect(tokens).toBe(330);
    expect(decoded.length).toBeLessThan(1.4 * (tokens / 8));
    await engine.dispose();
  });

  it('samples follow the distribution: frequencies of the first token agree with their probabilities', async () => {
    const engine = makeEngine();
    const count = 4000;
    const { completions } = await engine.sample([{ prompt: Int32Array.of(1, 5), count, key: ['many'] }], {
      ...base,
      maxTokens: 1,
    });
    const frequency = new Float64Array(12);
    for (const { tokens } of completions[0]) frequency[tokens[0]] += 1 / count;
    for (let v = 0; v < 12; v++) {
      const { logprobs } = await engine.score(
        [{ prompt: Int32Array.of(1, 5), tree: ProcessTree.build([Int32Array.of(v)]) }],
        'current',
        { temperature: 1 },
      );
      const p = Math.exp(logprobs[0][0]);
      expect(Math.abs(frequency[v] - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / count) + 1e-3);
    }
    await engine.dispose();
  });

  it('decodes one row for each distinct live prefix', async () => {
    const engine = makeEngine();
    const options = { ...base, maxTokens: 10, stopTokens: [] };
    const { completions, statistics } = await engine.sample([requests[0]], options);
    const prefixes = new Set<string>();
    for (const { tokens } of completions[0]) {
      for (let t = 1; t < tokens.length; t++) prefixes.add(tokens.slice(0, t).join());
    }
    expect(statistics.decodedTokens).toBe(requests[0].prompt.length + prefixes.size);
    expect(statistics.sampledTokens).toBe(120);
    await engine.dispose();
  });

  it('requests that cannot be are refused with what is allowed', async () => {
    const engine = makeEngine();
    const sample = (prompt: Int32Array, change: Partial<SamplingOptions> = {}) =>
      engine.sample([{ prompt, count: 1, key: [] }], { ...base, ...change });
    await expect(sample(new Int32Array(0))).rejects.toThrow(
      'request 0: expected a prompt of at least one token',
    );
    await expect(sample(Int32Array.of(12))).rejects.toThrow(
      'token id 12 in the prompt of request 0 is outside the vocabulary 0…11',
    );
    await expect(sample(Int32Array.of(1), { maxTokens: 64 })).rejects.toThrow('exceed the context of 64');
    await engine.dispose();
  });
});
