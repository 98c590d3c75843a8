/** Whole runs: repetition, resume, numbers that are not finite, damaged checkpoints, Ctrl-C. */
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalEngine } from '../src/engine/index.js';
import { createTask } from '../src/task/index.js';
import {
  createEngine,
  createRunFolder,
  evaluate,
  exportRun,
  listCheckpoints,
  type MetricsLine,
  openTrained,
  RunFolder,
  resolveConfig,
  run,
  train,
} from '../src/train/index.js';
import { ProcessTree } from '../src/tree/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const walk = resolveConfig({
  task: { name: 'binary-tree' },
  model: { layers: 1, width: 16, heads: 2 },
  optimizer: { learning_rate: 2e-3, epsilon: 1e-4 },
  objective: { kl_beta: 0.02, updates_per_batch: 2 },
  train: { steps: 12 },
  evaluation: { every: 4 },
  checkpoint: { every: 5, keep: 2 },
});

const sums = resolveConfig({
  task: { name: 'arithmetic', digits: 1, held_out: 5 },
  model: { layers: 1, width: 16, heads: 2 },
  warmup: { steps: 4, batch_size: 8 },
  sampling: { group_size: 4, prompts_per_step: 3 },
  train: { steps: 6 },
  evaluation: { every: 3, problems: 5 },
  checkpoint: { every: 2, keep: 2 },
});

/** Metrics without the times, which differ between any two runs. */
async function figures(path: string): Promise<Partial<MetricsLine>[]> {
  const lines = await new RunFolder(path).readMetrics();
  return lines.map(({ sample_seconds, update_seconds, ...rest }) => rest);
}

async function weights(path: string, step: number): Promise<Buffer> {
  return readFile(join(path, 'checkpoints', `step_${String(step).padStart(6, '0')}`, 'model.safetensors'));
}

/** Stops after `step` by aborting from the observer. */
async function runUntil(config: typeof walk, out: string, step: number): Promise<void> {
  const controller = new AbortController();
  const result = await run({
    config,
    out,
    threads: 1,
    signal: controller.signal,
    observer: { step: (record) => record.step === step && controller.abort() },
  });
  expect(result).toMatchObject({ step, interrupted: true });
}

for (const [name, config, cut] of [
  ['binary tree with KL and μ = 2', walk, 7],
  ['arithmetic with warm-up', sums, 3],
] as const) {
  describe(name, () => {
    const last = config.train.steps;

    it('a seeded run repeats exactly, and another seed gives another run', async () => {
      const [a, b, c] = ['a', 'b', 'c'].map((x) => join(folder, `${config.task.name}-${x}`));
      await run({ config, out: a, threads: 1 });
      await run({ config, out: b, threads: 1 });
      await run({ config: { ...config, seed: 1 }, out: c, threads: 1 });
      expect(await figures(b)).toEqual(await figures(a));
      expect(await weights(b, last)).toEqual(await weights(a, last));
      expect(await weights(c, last)).not.toEqual(await weights(a, last));
    });

    it('a run that was cut off and resumed equals the uninterrupted one', async () => {
      const whole = join(folder, `${config.task.name}-a`);
      const cutOff = join(folder, `${config.task.name}-cut`);
      await runUntil(config, cutOff, cut);
      await run({ config, out: cutOff, resume: true, threads: 1 });
      expect(await figures(cutOff)).toEqual(await figures(whole));
      expect(await weights(cutOff, last)).toEqual(await weights(whole, last));
      for (const file of ['000001', String(last).padStart(6, '0')]) {
        const rollouts = join('rollouts', `step_${file}.jsonl`);
        expect(await readFile(join(cutOff, rollouts), 'utf8')).toBe(
          await readFile(join(whole, rollouts), 'utf8'),
        );
      }
    });
  });
}

it('a run killed without a word continues from its last checkpoint with the same numbers', async () => {
  const whole = join(folder, 'binary-tree-a');
  const killed = join(folder, 'killed');
  await runUntil(walk, killed, 7);
  // What a kill at step 7 leaves: the checkpoint of step 5, later records, a line cut short, a stray file.
  await rm(join(killed, 'checkpoints', 'step_000007'), { recursive: true });
  const metrics = join(killed, 'metrics.jsonl');
  await truncate(metrics, (await stat(metrics)).size - 20);
  await writeFile(join(killed, 'rollouts', 'step_000008.jsonl.tmp'), '{"id"');
  await run({ config: walk, out: killed, resume: true, threads: 1 });
  expect(await figures(killed)).toEqual(await figures(whole));
  expect(await weights(killed, 12)).toEqual(await weights(whole, 12));
});

describe('a run that is to end within a step', () => {
  type Moment = { readonly stage?: 'sampling' | 'updating' | 'evaluating'; readonly step: number };

  /** Ends the run at a moment; later, so that the stage has begun, but before its first run of the model is over. */
  async function endAt(config: typeof walk, out: string, { stage, step }: Moment, resume: boolean) {
    const controller = new AbortController();
    const end = () => void setImmediate(() => controller.abort());
    return run({
      config,
      out,
      resume,
      threads: 1,
      signal: controller.signal,
      observer: stage
        ? { stage: (name, at) => name === stage && at === step && end() }
        : { warmup: (done) => done.step === step && controller.abort() },
    });
  }

  it.each([
    [
      'walk',
      walk,
      [
        { stage: 'evaluating', step: 0 },
        { stage: 'sampling', step: 1 },
        { stage: 'updating', step: 3 },
        { stage: 'evaluating', step: 4 },
        { stage: 'evaluating', step: 12 },
      ],
    ],
    [
      'sums',
      sums,
      [
        { step: 1 },
        { step: 3 },
        { stage: 'sampling', step: 2 },
        { stage: 'evaluating', step: 3 },
        { stage: 'updating', step: 5 },
      ],
    ],
  ] as const)('%s: does so at once, and goes on as if nothing had been', async (name, config, moments) => {
    const out = join(folder, `within-${name}`);
    const whole = join(folder, `${config.task.name}-a`);
    for (const [i, moment] of moments.entries()) {
      const { interrupted, step, checkpoint } = await endAt(config, out, moment, i > 0);
      expect(interrupted).toBe(true);
      if (!('stage' in moment)) expect(checkpoint).toMatch(new RegExp(`warmup_00000${moment.step}$`));
      else expect(step).toBeLessThanOrEqual(moment.step);
      expect(
        (await readdir(join(out, 'checkpoints'))).every((entry) => /^(step|warmup)_\d{6}$/.test(entry)),
      ).toBe(true);
    }
    const { interrupted } = await run({ config, out, resume: true, threads: 1 });
    expect(interrupted).toBe(false);
    expect(await figures(out)).toEqual(await figures(whole));
    expect(await weights(out, config.train.steps)).toEqual(await weights(whole, config.train.steps));
    expect((await readdir(join(out, 'checkpoints'))).every((entry) => entry.startsWith('step'))).toBe(true);
  });

  it('the engine ends sampling, scoring and updating early and is as before', async () => {
    const task = createTask(walk.task, 0);
    const engine = await createEngine(walk, task, { threads: 1 });
    const controller = new AbortController();
    controller.abort();
    const { signal } = controller;
    const { trainable } = engine as LocalEngine;
    const before = trainable.flat.slice();
    const reason = await evaluate(engine, task, 4, 0, { signal }).catch((error) => error);
    expect(reason).toBe(signal.reason);
    const tree = ProcessTree.build([Int32Array.of(1, 2)]);
    const prompt = Int32Array.of(0);
    const weight = Float64Array.of(1);
    const coefficients = { plus: weight, minus: new Float64Array(1), kl: new Float64Array(1) };
    const options = { temperature: 1, signal };
    await expect(engine.score([{ prompt, tree }], 'current', options)).rejects.toBe(signal.reason);
    await expect(
      engine.update([{ prompt, tree, coefficients }], {
        ...options,
        learningRate: 1,
        maxGradNorm: null,
        clipLow: 0.2,
        clipHigh: 0.2,
        klBeta: 0,
      }),
    ).rejects.toBe(signal.reason);
    expect(trainable.flat).toEqual(before);
    await engine.dispose();
  });
});

it('tells what a step does as it begins to', async () => {
  const events: string[] = [];
  await run({
    config: { ...walk, train: { ...walk.train, steps: 2 }, evaluation: { ...walk.evaluation, every: 2 } },
    out: join(folder, 'stages'),
    threads: 1,
    observer: {
      stage: (stage, step, total) => events.push(`${stage} ${step}/${total}`),
      step: ({ step }) => events.push(`done ${step}`),
    },
  });
  expect(events).toEqual([
    'evaluating 0/2',
    'sampling 1/2',
    'updating 1/2',
    'done 1',
    'sampling 2/2',
    'updating 2/2',
    'evaluating 2/2',
    'done 2',
  ]);
});

describe('the best checkpoint', () => {
  const config = resolveConfig({
    ...walk,
    optimizer: { ...walk.optimizer, learning_rate: 0.02 },
    evaluation: { every: 1 },
    checkpoint: { every: 5, keep: 1, best: true },
  });
  const steps = (out: string) => listCheckpoints(join(out, 'checkpoints'));

  it('is kept besides the latest, opened by name, and the same after a run that was cut off', async () => {
    const [whole, cutOff] = [join(folder, 'best'), join(folder, 'best-cut')];
    await run({ config, out: whole, threads: 1 });
    const metrics = await new RunFolder(whole).readMetrics();
    const evaluated = metrics.filter(({ eval_reward }) => eval_reward !== undefined);
    expect(evaluated).toHaveLength(13);
    const rank = ({ eval_accuracy = 0, eval_reward = 0 }: MetricsLine) => 100 * eval_accuracy + eval_reward;
    const highest = Math.max(...evaluated.map(rank));
    const best = evaluated.find((line) => rank(line) === highest) as MetricsLine;
    expect(best.step).toBeLessThan(12);
    expect(await steps(whole)).toEqual([best.step, 12]);
    const opened = await openTrained(whole, 'best', { threads: 1 });
    expect(opened.step).toBe(best.step);
    expect(await evaluate(opened.engine, opened.task, 200, config.seed)).toMatchObject({
      accuracy: best.eval_accuracy,
      reward: best.eval_reward,
    });
    await opened.engine.dispose();
    for (const cut of [Math.max(1, best.step), best.step + 1]) {
      await runUntil(config, cutOff, cut);
      await run({ config, out: cutOff, resume: true, threads: 1 });
      expect(await figures(cutOff)).toEqual(await figures(whole));
      expect(await steps(cutOff)).toEqual([best.step, 12]);
      expect(await weights(cutOff, best.step)).toEqual(await weights(whole, best.step));
      await rm(cutOff, { recursive: true });
    }
  });

  it('needs an evaluation', async () => {
    const out = join(folder, 'best-none');
    await run({ config: { ...config, evaluation: { ...config.evaluation, every: 0 } }, out, threads: 1 });
    await expect(openTrained(out, 'best')).rejects.toThrow(
      `${out}: no checkpoint that was evaluated; the run has 12`,
    );
    await rm(join(out, 'metrics.jsonl'));
    await expect(openTrained(out, 'best')).rejects.toThrow('metrics.jsonl: cannot be read (ENOENT)');
  });
});

/** Bytes of a file with one bit turned. */
async function turnBit(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length - 3] ^= 1;
  await writeFile(file, bytes);
}

describe('a checkpoint that is not complete', () => {
  const damage: [string, string, (file: string) => Promise<void>, string][] = [
    ['weights cut short', 'model.safetensors', (f) => truncate(f, 2000), 'cut short or damaged (2000 bytes'],
    ['weights nearly empty', 'model.safetensors', (f) => truncate(f, 3), 'cut short or damaged (3 bytes'],
    ['optimizer state cut short', 'optimizer.safetensors', (f) => truncate(f, 5000), 'cut short or damaged'],
    [
      'state cut short',
      'state.json',
      (f) => truncate(f, 10),
      'expected whole JSON, got a file that is cut short or damaged',
    ],
    ['state missing', 'state.json', (f) => rm(f), 'cannot be read (ENOENT)'],
    ['weights missing', 'model.safetensors', (f) => rm(f), 'is missing'],
    [
      'another step in the state',
      'state.json',
      (f) => changed(f, '"step":7', '"step":6'),
      'has changed since',
    ],
  ];
  const changed = async (file: string, from: string, to: string): Promise<void> =>
    writeFile(file, (await readFile(file, 'utf8')).replace(from, to));

  for (const [name, file, harm, message] of damage) {
    it(`${name}: the run continues from the previous one with a note, and ends with the same files`, async () => {
      const out = join(folder, `damaged-${name.replaceAll(' ', '-')}`);
      await runUntil(walk, out, 7);
      const path = join(out, 'checkpoints', 'step_000007');
      await harm(join(path, file));
      expect(await listCheckpoints(join(out, 'checkpoints'))).toEqual([5]);
      const notices: string[] = [];
      await run({
        config: walk,
        out,
        resume: true,
        threads: 1,
        observer: { notice: (line) => notices.push(line) },
      });
      expect(notices).toHaveLength(1);
      for (const part of [join(path, file), message, 'continues from', 'step_000005'])
        expect(notices[0]).toContain(part);
      expect(notices[0]).not.toContain('\n');
      expect(await figures(out)).toEqual(await figures(join(folder, 'binary-tree-a')));
      expect(await weights(out, 12)).toEqual(await weights(join(folder, 'binary-tree-a'), 12));
    });
  }

  it('is an error where no other is left, and nothing is changed', async () => {
    const out = join(folder, 'damaged-all');
    await runUntil(walk, out, 7);
    for (const step of ['step_000005', 'step_000007'])
      await rm(join(out, 'checkpoints', step, 'model.safetensors'));
    const before = await readFile(join(out, 'metrics.jsonl'), 'utf8');
    await expect(run({ config: walk, out, resume: true, threads: 1 })).rejects.toThrow(
      /^[^\n]*step_000007.model\.safetensors: is missing; no checkpoint is complete; delete the folder [^\n]*$/,
    );
    expect(await readFile(join(out, 'metrics.jsonl'), 'utf8')).toBe(before);
  });
});

describe('changed bytes of a checkpoint are an error, not another policy', () => {
  for (const file of ['model.safetensors', 'optimizer.safetensors', 'reference.safetensors', 'model.json']) {
    it(file, async () => {
      const out = join(folder, `changed-${file}`);
      await runUntil(walk, out, 7);
      const path = join(out, 'checkpoints', 'step_000007', file);
      await turnBit(path);
      const before = await readFile(join(out, 'metrics.jsonl'), 'utf8');
      const refusal = /^[^\n]*step_000007[^\n]*: has changed since it was saved[^\n]*$/;
      await expect(run({ config: walk, out, resume: true, threads: 1 })).rejects.toThrow(refusal);
      await expect(openTrained(out, 7)).rejects.toThrow(refusal);
      await expect(exportRun(out, join(folder, `exported-${file}`))).rejects.toThrow(refusal);
      expect(await readFile(join(out, 'metrics.jsonl'), 'utf8')).toBe(before);
    });
  }
});

it('a checkpoint of a model of another shape is named', async () => {
  const [small, wide] = [join(folder, 'small'), join(folder, 'wide')];
  await runUntil(walk, small, 5);
  const other = resolveConfig({ task: { name: 'binary-tree' }, model: { layers: 1, width: 32, heads: 2 } });
  const error = await run({
    config: other,
    out: wide,
    from: join(small, 'checkpoints', 'step_000005'),
  }).catch((e: Error) => e);
  expect((error as Error).message).toMatch(
    /tensor 'wte.weight' has shape \[3, 16\], this model expects \[3, 32\]/,
  );
});

describe('a loss or gradient that is no number', () => {
  /** A run whose last norm has a NaN from a call on, and the weights as they were then. */
  async function poisoned(from: 'sampling' | 'update') {
    const task = createTask(walk.task, 0);
    const engine = await createEngine(walk, task, { threads: 1 });
    const out = join(folder, `nan-${from}`);
    const runFolder = await createRunFolder(out, walk);
    const inner = engine as unknown as { parameters: { flat: Float32Array } };
    let before: Float32Array | null = null;
    const poison = () => {
      inner.parameters.flat[inner.parameters.flat.length - 1] = Number.NaN;
      before = inner.parameters.flat.slice();
    };
    const update = engine.update.bind(engine);
    // Two a step.
    let updates = 0;
    engine.update = (batch, options) => {
      updates++;
      if (from === 'update' && updates === 7) poison();
      return update(batch, options);
    };
    const error: unknown = await train({
      config: walk,
      task,
      engine,
      folder: runFolder,
      observer: {
        step: ({ step }) => {
          if (from === 'sampling' && step === 3) poison();
        },
      },
    }).catch((e: Error) => e);
    expect(inner.parameters.flat).toEqual(before);
    expect((await runFolder.readMetrics()).at(-1)?.step).toBe(3);
    await engine.dispose();
    return { updates, error: error as Error };
  }

  it('stops the run at the update, before the weights are touched, and says at which step', async () => {
    const { updates, error } = await poisoned('update');
    expect(updates).toBe(7);
    expect(error.name).toBe('NotFiniteError');
    expect(error.message).toBe('step 4: the loss is NaN; the weights were not changed');
  });

  it('in the weights that sample stops the run there, before any update', async () => {
    const { updates, error } = await poisoned('sampling');
    expect(updates).toBe(6);
    expect(error.name).toBe('NotFiniteError');
    expect(error.message).toMatch(
      /^step 4: sampling: expected a finite log-probability, got NaN for token 1 of a completion; [^\n]*$/,
    );
  });

  it('a reward that is not finite names task, problem, completion and step', async () => {
    const task = { ...createTask(walk.task, 0), reward: () => ({ reward: Number.NaN }) };
    const engine = await createEngine(walk, task, { threads: 1 });
    const runFolder = await createRunFolder(
      join(folder, 'nan-reward'),
      resolveConfig({ ...walk, evaluation: { every: 0 } }),
    );
    await expect(
      train({
        config: { ...walk, evaluation: { ...walk.evaluation, every: 0 } },
        task,
        engine,
        folder: runFolder,
      }),
    ).rejects.toThrow(
      /^task binary-tree: reward of problem .*, step 1, completion 1 of \d+ "[LR]{4}": expected a finite number of at most 1e\+100 in size, got NaN$/,
    );
    await engine.dispose();
  });
});

it('a step on micro-batches is the step on the whole batch', async () => {
  const [whole, cut] = [join(folder, 'micro-whole'), join(folder, 'micro-cut')];
  const settings = resolveConfig({
    ...walk,
    sampling: { prompts_per_step: 3 },
    train: { steps: 1 },
    evaluation: { every: 0 },
  });
  await run({ config: settings, out: whole, threads: 1 });
  await run({
    config: { ...settings, train: { ...settings.train, micro_batch_tokens: 20 } },
    out: cut,
    threads: 1,
  });
  const [a, b] = [await figures(whole), await figures(cut)].map(
    (lines) => lines.at(-1) as Record<string, number>,
  );
  expect(a.grad_norm).toBeGreaterThan(0);
  expect(b.loss).toBeCloseTo(a.loss, 5);
  expect(Math.abs(b.grad_norm - a.grad_norm)).toBeLessThan(1e-3 * a.grad_norm);
});
