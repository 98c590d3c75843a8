/**
 * The Tinker engine on a server with an exact model: updates, samples and checkpoints, and requests that are refused
 * before anything is sent.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { NotFiniteError, StateLostError, type TrainExample } from '../../src/engine/engine.js';
import type { TinkerEngine, TinkerEngineOptions } from '../../src/engine/tinker/tinker-engine.js';
import { memoryStore } from '../../src/model/index.js';
import { lossCoefficients, sequenceWeights } from '../../src/objective/index.js';
import { createTask } from '../../src/task/index.js';
import { checkCapabilities } from '../../src/train/capabilities.js';
import { ProcessTree, packTree } from '../../src/tree/index.js';
import { TableServer, type TableServerOptions } from './table-server.js';
import { openTable, treeConfig } from './training-run.js';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function table(
  server: Partial<TableServerOptions> = {},
  options: Partial<TinkerEngineOptions> = {},
): Promise<{ server: TableServer; engine: TinkerEngine }> {
  const started = await new TableServer({ wire: 'json', vocabulary: 6, ...server }).start();
  open.push(() => started.stop());
  const engine = await openTable(started, treeConfig(started), options);
  open.push(() => engine.dispose());
  return { server: started, engine };
}

/** Logits of the model that is trained: the one that is loaded last. */
const weightsOf = (server: TableServer): number[][] =>
  structuredClone([...server.models.values()].at(-1)!.weights);
const logprob = (line: readonly number[], token: number): number =>
  line[token] - Math.log(line.reduce((sum, logit) => sum + Math.exp(logit), 0));

const sampling = { maxTokens: 3, temperature: 1, topK: 0, topP: 1, stopTokens: [], seed: 0 };
const update = {
  temperature: 1,
  learningRate: 0.1,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
};

/** A group with random completions and advantages, token normalisation. */
const group = fc
  .record({
    prompt: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
    completions: fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 }), {
      minLength: 2,
      maxLength: 6,
    }),
    lambdaExponent: fc.constantFrom(0, 1),
    signs: fc.infiniteStream(fc.double({ min: -2, max: 2, noNaN: true })),
  })
  .map(({ prompt, completions, lambdaExponent, signs }) => {
    const advantages = completions.map(() => signs.next().value as number);
    return { prompt, completions, lambdaExponent, advantages };
  });

interface Group {
  readonly prompt: readonly number[];
  readonly completions: readonly (readonly number[])[];
  readonly lambdaExponent: number;
  readonly advantages: readonly number[];
}

function exampleOf({ prompt, completions, lambdaExponent, advantages }: Group): TrainExample {
  const tree = ProcessTree.build(completions);
  const totals = { tokens: completions.flat().length, sequences: completions.length, maxTokens: 4 };
  const weights = sequenceWeights(tree.lengths, 'token', totals);
  return {
    prompt: Int32Array.from(prompt),
    tree,
    coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent }),
  };
}

/** Each completion alone: [from, to, coefficient without the advantage, advantage]; |λ| by counting equal prefixes. */
function terms({
  prompt,
  completions,
  lambdaExponent,
  advantages,
}: Group): [number, number, number, number][] {
  const total = completions.flat().length;
  return completions.flatMap((completion, i) =>
    completion.map((token, t): [number, number, number, number] => {
      const tree = ProcessTree.build(completions);
      const shared = tree.size[tree.nodeAt(i, t)];
      const from = t === 0 ? prompt[prompt.length - 1] : completion[t - 1];
      return [from, token, 1 / (total * shared ** lambdaExponent), advantages[i]];
    }),
  );
}

/** −∇ of Σ factor·ln π over the table's logits. */
function descent(
  weights: readonly (readonly number[])[],
  factors: readonly [number, number, number][],
): number[][] {
  const gradient = weights.map((line) => line.map(() => 0));
  for (const [from, to, factor] of factors) {
    weights[from].forEach((_, other) => {
      gradient[from][other] -= factor * (Number(other === to) - Math.exp(logprob(weights[from], other)));
    });
  }
  return gradient;
}

function expectClose(got: readonly (readonly number[])[], expected: readonly (readonly number[])[]): void {
  const scale = Math.max(1, ...expected.flat().map(Math.abs));
  got.flat().forEach((g, i) => {
    expect(Math.abs(g - expected.flat()[i])).toBeLessThan(2e-6 * scale);
  });
}

describe.each(['json', 'protobuf'] as const)('an update on the %s wire', (wire) => {
  it.each(['mean', 'sum'] as const)(
    'has the gradient, norm and loss of the k separate sequences on a server that takes the %s',
    async (reduction) => {
      const { server, engine } = await table({ wire, reduction }, { reduction: undefined });
      await fc.assert(
        fc.asyncProperty(group, async (sampled) => {
          await engine.score([exampleOf(sampled)], 'current', update);
          const weights = weightsOf(server);
          const result = await engine.update([exampleOf(sampled)], update);
          const factors = terms(sampled).map(([from, to, c, a]): [number, number, number] => [
            from,
            to,
            c * a,
          ]);
          const expected = descent(weights, factors);
          expectClose(server.lastGradient, expected);
          expect(result.gradNorm).toBeCloseTo(Math.hypot(...expected.flat()), 5);
          expect(result.loss).toBeCloseTo(-factors.reduce((sum, [, , factor]) => sum + factor, 0), 6);
          expect(result.entropies).toBeUndefined();
        }),
        { numRuns: 8, seed: 3 },
      );
    },
  );
});

describe('an update', () => {
  const sampled: Group = {
    prompt: [1],
    completions: [[0, 1], [0, 1], [0, 2], [1]],
    lambdaExponent: 1,
    advantages: [1, -0.5, -0.5, 0.8],
  };

  it('with a KL term adds −β·(ln π − ln π_ref) to each advantage', async () => {
    const { server, engine } = await table();
    const example = exampleOf(sampled);
    await engine.freezeReference();
    const reference = weightsOf(server);
    // The policy leaves its reference first.
    await engine.update([example], update);
    const weights = weightsOf(server);
    const scores = await engine.score([example], 'reference', update);
    const { tokens, parent } = packTree(example.tree, example.prompt);
    scores.logprobs[0].forEach((value, i) => {
      const at = example.prompt.length + i;
      expect(value).toBeCloseTo(logprob(reference[tokens[parent[at]]], tokens[at]), 5);
    });
    const withReference = { ...example, referenceLogprobs: scores.logprobs[0] };
    const beta = 0.7;
    await engine.update([withReference], { ...update, klBeta: beta });
    const factors = terms(sampled).map(([from, to, c, a]): [number, number, number] => {
      const k1 = logprob(weights[from], to) - logprob(reference[from], to);
      return [from, to, c * (a - beta * k1)];
    });
    expectClose(server.lastGradient, descent(weights, factors));
  });

  it.each(['ppo', 'cispo'] as const)('with π_old clips ratios as %s does', async (form) => {
    const { server, engine } = await table();
    const example = exampleOf(sampled);
    const old = (await engine.score([example], 'current', update)).logprobs[0];
    const before = weightsOf(server);
    await engine.update([example], { ...update, learningRate: 0.4 });
    const weights = weightsOf(server);
    await engine.update([{ ...example, oldLogprobs: old }], { ...update, form });
    let clipped = 0;
    const factors = terms(sampled).map(([from, to, c, a]): [number, number, number] => {
      const ratio = Math.exp(logprob(weights[from], to) - logprob(before[from], to));
      if (form === 'cispo') return [from, to, c * a * Math.min(ratio, 1.2)];
      const cut = a > 0 ? ratio > 1.2 : ratio < 0.8;
      if (cut) clipped++;
      return [from, to, cut ? 0 : c * a * ratio];
    });
    if (form === 'ppo') expect(clipped).toBeGreaterThan(1);
    expectClose(server.lastGradient, descent(weights, factors));
  });

  it('sends equal completions once, and says what that saves', async () => {
    const { engine } = await table();
    const { sent } = await engine.update([exampleOf(sampled)], update);
    // Three distinct ones of 2, 2 and 1 tokens after a prompt of one; the second of [0, 1] is saved.
    expect(sent).toEqual({ tokens: 5, saved: 2 });
  });

  it('does not take the gradient that another model left in its place', async () => {
    const { server, engine } = await table();
    // A trainer that was killed between a gradient and its step; its session has expired.
    const lost = await openTable(server, treeConfig(server));
    server.fail = (path) => (path === 'optim_step' && server.trainedRows > 0 ? 'drop-before' : 'none');
    await expect(lost.update([exampleOf(sampled)], update)).rejects.toThrow(StateLostError);
    server.fail = undefined;
    await lost.dispose();
    await engine.score([exampleOf(sampled)], 'current', update);
    const weights = weightsOf(server);
    await engine.update([exampleOf(sampled)], update);
    expectClose(
      server.lastGradient,
      descent(
        weights,
        terms(sampled).map(([from, to, c, a]) => [from, to, c * a]),
      ),
    );
  });

  it('whose numbers are none says so, and nothing goes on before a state is loaded', async () => {
    const { server, engine } = await table();
    const store = memoryStore();
    await engine.save(store);
    const weights = weightsOf(server);
    server.spoil = true;
    await expect(engine.update([exampleOf(sampled)], update)).rejects.toThrow(NotFiniteError);
    // Asking for log-probabilities has changed nothing.
    server.spoil = false;
    await engine.update([exampleOf(sampled)], update);
    const old = Float32Array.from({ length: exampleOf(sampled).tree.distinctTokenCount }, () => -1);
    server.spoil = true;
    await expect(engine.update([{ ...exampleOf(sampled), oldLogprobs: old }], update)).rejects.toThrow(
      NotFiniteError,
    );
    server.spoil = false;
    await expect(engine.update([exampleOf(sampled)], update)).rejects.toThrow(StateLostError);
    await engine.load(store);
    await engine.score([exampleOf(sampled)], 'current', update);
    expect(weightsOf(server)).toEqual(weights);
  });

  it.each([
    [{ temperature: 0.5 }, 'temperature: expected 1, got 0.5'],
    [{ allowedTokens: [1, 2] }, 'allowedTokens: expected the whole vocabulary, got 2 tokens'],
    [{ entropyBonus: 0.1 }, 'entropyBonus: expected 0, got 0.1'],
    [{ clipBound: 3 }, 'clipBound: expected none, got 3'],
    [{ form: 'gspo' as const }, 'form: expected ppo or cispo, got gspo'],
  ])('%j is refused before the wire', async (changes, message) => {
    const { server, engine } = await table();
    const before = server.requests.length;
    await expect(engine.update([exampleOf(sampled)], { ...update, ...changes })).rejects.toThrow(message);
    expect(server.requests).toHaveLength(before);
  });
});

describe('samples', () => {
  it('come with the log-probabilities of what is trained, and the same for the same key and seed', async () => {
    const { server, engine } = await table();
    const requests = [0, 1].map((i) => ({ prompt: Int32Array.of(i), count: 3, key: [1, i] }));
    const { completions, statistics } = await engine.sample(requests, sampling);
    const weights = weightsOf(server);
    completions.forEach((rows, i) => {
      expect(rows).toHaveLength(3);
      for (const { tokens, logprobs } of rows) {
        tokens.forEach((token, t) => {
          const from = t === 0 ? i : tokens[t - 1];
          expect(logprobs[t]).toBeCloseTo(logprob(weights[from], token), 5);
        });
      }
    });
    expect(statistics).toEqual({ sampledTokens: 18 });
    const again = await engine.sample([...requests].reverse(), sampling);
    expect([...again.completions].reverse()).toEqual(completions);
    expect((await engine.sample(requests, { ...sampling, seed: 1 })).completions).not.toEqual(completions);
    // One snapshot for all of it.
    expect(server.requests.filter((path) => path === 'save_weights_for_sampler')).toHaveLength(1);
  });

  it('end where their text ends, or with a stop token', async () => {
    const { engine } = await table();
    const request = [{ prompt: Int32Array.of(0), count: 40, key: [1] }];
    const watch = () => {
      let seen = 0;
      return () => ++seen === 2;
    };
    const { completions } = await engine.sample(request, { ...sampling, stopTokens: [5], watch });
    for (const { tokens, logprobs, stop } of completions[0]) {
      expect(stop).toBe('stop');
      expect(logprobs).toHaveLength(tokens.length);
      expect(tokens.length === 2 || (tokens.length === 1 && tokens[0] === 5)).toBe(true);
    }
    expect(new Set(completions[0].map(({ tokens }) => tokens.length))).toEqual(new Set([1, 2]));
  });

  it('of many prompts are asked for within the concurrency', async () => {
    const { server, engine } = await table({}, { client: { url: '', concurrency: 3 } });
    const requests = Array.from({ length: 20 }, (_, i) => ({
      prompt: Int32Array.of(i % 6),
      count: 1,
      key: [i],
    }));
    server.fail = () => 'slow';
    await engine.sample(requests, sampling);
    expect(server.mostAtOnce).toBeLessThanOrEqual(3);
    expect(server.mostAtOnce).toBeGreaterThan(1);
  });

  it.each([
    [{ prompt: Int32Array.of(6), count: 1 }, 'request 1: expected token ids from 0 to 5, got 6'],
    [{ prompt: Int32Array.of(-1), count: 1 }, 'request 1: expected token ids from 0 to 5, got -1'],
    [{ prompt: new Int32Array(), count: 1 }, 'request 1: expected a prompt of at least one token'],
    [{ prompt: Int32Array.of(1), count: 0 }, 'request 1: expected at least one completion, got 0'],
    [
      { prompt: new Int32Array(14), count: 1 },
      'request 1: expected at most 16 tokens with the completion, got 17',
    ],
  ])(
    'that real servers never answer, or answer with NaN, are refused before the wire',
    async (request, message) => {
      const { server, engine } = await table();
      const before = server.requests.length;
      await expect(engine.sample([{ ...request, key: [1] }], sampling)).rejects.toThrow(message);
      expect(server.requests).toHaveLength(before);
    },
  );
});

describe('a state', () => {
  const example = exampleOf({ prompt: [1], completions: [[0], [1]], lambdaExponent: 0, advantages: [1, -1] });

  it('that is saved and loaded continues with the optimizer, in a new model', async () => {
    const { server, engine } = await table({ wire: 'protobuf' });
    const store = memoryStore();
    await engine.update([example], update);
    await engine.save(store);
    await engine.update([example], update);
    const expected = weightsOf(server);
    await engine.load(store);
    await engine.update([example], update);
    expect(weightsOf(server)).toEqual(expected);
    // Of the same model without its moments the second step is another.
    await engine.load(store);
    await engine.resetOptimizer();
    await engine.update([example], update);
    expect(weightsOf(server)).not.toEqual(expected);
    // No model is left behind but the one that is trained.
    expect(server.models.size).toBe(1);
  });

  it('of another rank or base model is refused', async () => {
    const { server, engine } = await table();
    const store = memoryStore();
    await engine.save(store);
    const other = await openTable(server, treeConfig(server), { lora: { rank: 2, seed: 3 } });
    open.push(() => other.dispose());
    await expect(other.load(store)).rejects.toThrow(
      'memory: expected an adapter of rank 2 for table, got one of rank 1 for table',
    );
    await expect(engine.load(memoryStore())).rejects.toThrow(
      'tinker.json: expected the names of a saved state on a server, got something else (nothing is stored as tinker.json)',
    );
  });

  it('outlives a restart of the server', async () => {
    const { server, engine } = await table();
    const store = memoryStore();
    await engine.update([example], update);
    await engine.save(store);
    const weights = weightsOf(server);
    server.restart();
    await expect(engine.update([example], update)).rejects.toThrow(StateLostError);
    await expect(engine.sample([{ prompt: Int32Array.of(1), count: 1, key: [] }], sampling)).rejects.toThrow(
      /not loaded/,
    );
    await engine.load(store);
    expect(weightsOf(server)).toEqual(weights);
  });
});

describe('what a server does is found out', () => {
  it.each([true, false])('whether it clips gradients (%s)', async (clips) => {
    const { engine } = await table({ clips }, { clipsGradients: true });
    expect(engine.capabilities.gradientClipping).toBe(clips);
  });

  it.each([true, false])('whether older snapshots can be sampled meanwhile (%s)', async (isolates) => {
    const { engine } = await table({ isolates }, { samplesAhead: true });
    expect(engine.capabilities.sampleAhead).toBe(isolates);
  });

  it('nothing is asked that is not needed', async () => {
    const { server } = await table();
    expect(server.requests).toEqual(['get_server_capabilities']);
  });
});

describe('a configuration that a server cannot serve is refused in one line', () => {
  it.each([
    [
      { optimizer: {} },
      'optimizer.max_grad_norm: expected null (the engine does not clip gradients) for engine tinker, got 1',
    ],
    [
      { optimizer: { name: 'sgd', max_grad_norm: null } },
      'optimizer.name: expected an optimizer that the engine supports for engine tinker, got sgd',
    ],
    [
      { sampling: { temperature: 0.7 } },
      'sampling.temperature: expected 1 (the engine trains at no other temperature) for engine tinker, got 0.7',
    ],
    [{ sampling: { top_p: 0.9 } }, 'sampling.top_p: expected 1 for engine tinker, got 0.9'],
    [
      { method: 'grpo', objective: { loss: 'gspo' } },
      'objective.loss: expected a loss that the engine supports for engine tinker, got gspo',
    ],
    [{ objective: { entropy_bonus: 0.1 } }, 'objective.entropy_bonus: expected 0 for engine tinker, got 0.1'],
    [
      { task: { name: 'binary-tree' } },
      'task: expected a task that allows the whole vocabulary (binary-tree: task.vocabulary) for engine tinker, got binary-tree, which allows only some tokens',
    ],
  ])('%j', async (changes, line) => {
    const { server, engine } = await table();
    const config = treeConfig(server, changes);
    expect(() => checkCapabilities(config, createTask(config.task, 0), engine)).toThrow(line);
  });

  it('a KL term with kl: refuse, and not otherwise', async () => {
    const { server, engine } = await table({}, { kl: 'refuse' });
    const config = treeConfig(server, { objective: { kl_beta: 0.1 } });
    const task = createTask(config.task, 0);
    expect(() => checkCapabilities(config, task, engine)).toThrow(
      'objective.kl_beta: expected 0 for engine tinker, got 0.1',
    );
    const other = await openTable(server, config);
    checkCapabilities(config, task, other);
  });

  it('a server that is full, with what can be done', async () => {
    const { server, engine } = await table({ most: 1 });
    await engine.sample([{ prompt: Int32Array.of(1), count: 1, key: [] }], sampling);
    const other = await openTable(server, treeConfig(server));
    await expect(other.sample([{ prompt: Int32Array.of(1), count: 1, key: [] }], sampling)).rejects.toThrow(
      /create_model: failed on the server: Maximum number of LoRA adapters \(1\) reached; the adapter slot of a killed run becomes free .* or start the server with more adapter slots$/,
    );
  });

  it('a base model that the server does not have', async () => {
    const { server } = await table();
    await expect(openTable(server, treeConfig(server), { baseModel: 'chair' })).rejects.toThrow(
      `engine.base_model: expected a model of ${server.url} (table), got chair`,
    );
  });
});
