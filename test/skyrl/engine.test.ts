/**
 * The Tinker engine on a real server against the local engine on the same checkpoint: the same policy at the start, the
 * same gradient of an update, and no state left over from a previous run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Server, startServer, TINY } from '../../scripts/skyrl.mjs';
import { LocalEngine, type TrainExample } from '../../src/engine/index.js';
import { TinkerEngine } from '../../src/engine/tinker/tinker-engine.js';
import { openCheckpoint } from '../../src/model/files.js';
import { loadParameters, memoryStore } from '../../src/model/index.js';
import { lossCoefficients, type Normalisation, sequenceWeights } from '../../src/objective/index.js';
import { Stream } from '../../src/random/stream.js';
import { nodeBackend } from '../../src/runtime/node.js';
import { Session, TinkerClient } from '../../src/tinker/index.js';
import { ProcessTree } from '../../src/tree/index.js';
import { fetchAdapter } from './adapter.js';
import { fact, version } from './facts.js';

const folder = mkdtempSync(join(tmpdir(), 'skyrl-'));
const base = join(import.meta.dirname, '../..', TINY);
const RANK = 4;
/** What the model says: 0 and 1. */
const TURNS = [19, 20];
/** With β = 0 and a large ε Adam is nearly a step along the gradient: Δ = −η·g/(|g| + ε). */
const EPSILON = 100;
const RATE = 1;
const optimizer = { name: 'adamw', beta1: 0, beta2: 0, epsilon: EPSILON, weightDecay: 0 } as const;

let server: Server;
let engine: TinkerEngine;

beforeAll(async () => {
  server = await startServer({ version, model: TINY, folder: join(folder, 'server') });
  // A run that was killed between gradient and step, in the place that the next model gets.
  const session = await Session.open(new TinkerClient({ url: server.url }));
  const left = await session.createModel({ baseModel: TINY, rank: RANK, seed: 1 });
  const n = 4;
  await left.forwardBackward({
    loss: 'cross_entropy',
    data: [
      {
        tokens: new Int32Array(n).fill(20),
        targets: new Int32Array(n).fill(19),
        logprobs: new Float32Array(n),
        advantages: new Float32Array(n).fill(1),
        weights: new Float32Array(n).fill(1),
      },
    ],
  });
  await left.unload();
  session.close();
  engine = await TinkerEngine.open({
    baseModel: TINY,
    lora: { rank: RANK, seed: 0 },
    optimizer,
    vocabulary: 260,
    contextLength: 64,
    kl: 'refuse',
    client: { url: server.url },
  });
});
afterAll(async () => {
  await engine?.dispose();
  await server?.end();
  rmSync(folder, { recursive: true, force: true });
});

const update = {
  temperature: 1,
  learningRate: RATE,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
} as const;

/** Groups of two prompts: paths of many lengths, some of them equal, with advantages of both signs. */
function groups(seed: number): { prompt: Int32Array; completions: number[][]; advantages: number[] }[] {
  const stream = new Stream(seed, 'groups');
  return [[0], [5, 100, 7]].map((prompt) => ({
    prompt: Int32Array.from(prompt),
    completions: Array.from({ length: 8 }, () =>
      Array.from({ length: 1 + stream.int(6) }, () => TURNS[stream.int(2)]),
    ),
    advantages: Array.from({ length: 8 }, () => 4 * stream.uniform() - 2),
  }));
}

function examples(normalisation: Normalisation, lambdaExponent: number, seed: number): TrainExample[] {
  const all = groups(seed);
  const completions = all.flatMap((group) => group.completions);
  const totals = {
    tokens: completions.flat().length,
    sequences: completions.length,
    groups: all.length,
    maxTokens: 6,
  };
  return all.map(({ prompt, completions, advantages }) => {
    const tree = ProcessTree.build(completions);
    const weights = sequenceWeights(tree.lengths, normalisation, totals);
    return { prompt, tree, coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent }) };
  });
}

let fetched = 0;

/** The adapter as it is now on the server. */
async function adapterNow() {
  const files = new Map<string, Uint8Array>();
  await engine.save(memoryStore(files));
  const saved = JSON.parse(new TextDecoder().decode(files.get('tinker.json'))) as { sampler: string };
  return fetchAdapter(server.url, saved.sampler, join(folder, `adapter-${++fetched}`), base);
}

async function localEngine(start: Awaited<ReturnType<typeof adapterNow>>): Promise<LocalEngine> {
  return new LocalEngine({
    backend: nodeBackend(),
    model: start.config,
    parameters: await loadParameters(await openCheckpoint(base)),
    adapter: start.adapter,
    optimizer,
    seed: 0,
  });
}

interface Part {
  readonly gradient: Float32Array;
}

/**
 * The local engine's gradient, a part for each weight of the server's: SkyRL has one A for the modules that read the same
 * input (q, k, v; gate, up) and exports it for each of them, so its gradient is the sum of theirs.
 */
async function localGradient(
  local: LocalEngine,
  batch: readonly TrainExample[],
): Promise<(Part & { readonly name: string })[]> {
  const { gradients } = await local.gradients(batch, update);
  const parts = new Map<string, Part & { readonly name: string }>();
  const { specs, views } = local.trainable;
  specs.forEach(({ name }, i) => {
    const weights = views.get(name) as Float32Array;
    const key = name.endsWith('lora_A.weight') ? `${name.split('.')[2]} ${weights.join()}` : name;
    const same = parts.get(key)?.gradient;
    if (same) for (const [j, value] of gradients[i].entries()) same[j] += value;
    else parts.set(key, { name, gradient: gradients[i].slice() });
  });
  return [...parts.values()];
}

const normOf = (parts: readonly Part[]): number =>
  Math.sqrt(parts.reduce((sum, { gradient }) => gradient.reduce((a, b) => a + b * b, sum), 0));

describe(`the engine on SkyRL ${version}`, () => {
  it('starts from the policy of the local engine', async () => {
    const prompts = groups(1).map(({ prompt }) => prompt);
    const requests = prompts.map((prompt, i) => ({ prompt, count: 16, key: [i] }));
    const options = { maxTokens: 6, temperature: 1, topK: 0, topP: 1, stopTokens: [], seed: 3 };
    const { completions } = await engine.sample(requests, options);
    const trees = completions.map((group, i) => ({
      prompt: prompts[i],
      tree: ProcessTree.build(group.map(({ tokens }) => tokens)),
    }));
    expect(trees[0].tree.nodeCount).toBeGreaterThan(8);
    const local = await localEngine(await adapterNow());
    const { logprobs } = await local.score(trees, 'current', { temperature: 1 });
    let worst = 0;
    trees.forEach(({ tree }, e) => {
      let token = 0;
      for (let node = 0; node < tree.nodeCount; node++) {
        for (let t = tree.start[node]; t < tree.end[node]; t++, token++) {
          const sampled = completions[e][tree.representative(node)].logprobs[t];
          worst = Math.max(worst, Math.abs(sampled - logprobs[e][token]));
        }
      }
    });
    fact(
      "ln π of the server's samples at the start, local − server, largest difference",
      worst.toExponential(1),
    );
    expect(worst).toBeLessThan(1e-3);
    await local.dispose();
  });

  it('takes no gradient over from a run before', async () => {
    const batch = examples('token', 1, 2);
    const local = await localEngine(await adapterNow());
    const wanted = normOf(await localGradient(local, batch));
    const { gradNorm = Number.NaN } = await engine.update(batch, update);
    expect(Math.abs(gradNorm / wanted - 1)).toBeLessThan(1e-3);
    await local.dispose();
  });

  const CASES = (['token', 'sequence'] as const).flatMap((normalisation) =>
    ([0, 1] as const).map((exponent) => ({ normalisation, exponent, method: exponent ? 'λ-GRPO' : 'GRPO' })),
  );
  it.each(CASES)("has the local engine's gradient: $method, $normalisation", async (value) => {
    const { normalisation, exponent, method } = value;
    const batch = examples(normalisation, exponent, 3 + exponent);
    const before = await adapterNow();
    const local = await localEngine(before);
    const wanted = await localGradient(local, batch);
    const { loss } = await local.gradients(batch, update);
    const result = await engine.update(batch, update);
    const after = await adapterNow();
    const difference = wanted.map(({ name, gradient }) => {
      const [from, to] = [before, after].map(({ adapter }) => adapter.views.get(name) as Float32Array);
      return {
        gradient: gradient.map((value, i) => {
          const step = (to[i] - from[i]) / RATE;
          return (-step * EPSILON) / (1 - Math.abs(step)) - value;
        }),
      };
    });
    const relative = normOf(difference) / normOf(wanted);
    fact(`gradient, ${method}, ${normalisation}: |server − local| / |local|`, relative.toExponential(1));
    expect(relative).toBeLessThan(1e-3);
    expect(Math.abs((result.gradNorm ?? Number.NaN) / normOf(wanted) - 1)).toBeLessThan(1e-3);
    expect(Math.abs(result.loss - loss)).toBeLessThan(1e-5);
    await local.dispose();
  });
});
