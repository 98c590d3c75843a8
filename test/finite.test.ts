/**
 * NaN and infinite numbers are refused by name where they enter (files of weights, sampling, export), and steps that
 * change no weight are reported.
 */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalEngine } from '../src/engine/index.js';
import {
  folderStore,
  readSafetensors,
  storedWeights,
  withCheckpoint,
  writeCheckpoint,
  writeSafetensors,
} from '../src/model/files.js';
import { loadParameters, type Parameters } from '../src/model/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import {
  exportRun,
  listCheckpoints,
  onWarning,
  openTrained,
  resolveConfig,
  run,
} from '../src/train/index.js';
import { StallWatch } from '../src/train/stall.js';

const models = join(import.meta.dirname, 'models');
let folder: string;
const warnings: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-finite-'));
  onWarning((line) => warnings.push(line));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const NAME = 'model.layers.1.mlp.up_proj.weight';

/** A model's folder one value of which was overwritten in its file, whatever a writer would say. */
async function damaged(value: number, dtype: 'F32' | 'BF16' | 'F16', place: number): Promise<string> {
  const to = join(folder, `damaged-${value}-${dtype}-${place}`);
  const parameters = await withCheckpoint(join(models, 'llama'), loadParameters);
  await writeCheckpoint(to, parameters, { dtype, source: join(models, 'llama') });
  const { open } = await import('node:fs/promises');
  const { SafetensorsFile } = await import('../src/model/safetensors.js');
  const file = await SafetensorsFile.open(folderStore(to), 'model.safetensors');
  const { offset } = file.tensors.get(NAME) as { offset: number };
  await file.close();
  const bits = {
    F32: { NaN: 0x7fc00000, Infinity: 0x7f800000 },
    BF16: { NaN: 0x7fc0, Infinity: 0x7f80 },
    F16: { NaN: 0x7e00, Infinity: 0x7c00 },
  };
  const bytes = Buffer.alloc(dtype === 'F32' ? 4 : 2);
  const pattern = bits[dtype][Number.isNaN(value) ? 'NaN' : 'Infinity'];
  if (dtype === 'F32') bytes.writeUInt32LE(pattern);
  else bytes.writeUInt16LE(pattern);
  const handle = await open(join(to, 'model.safetensors'), 'r+');
  await handle.write(bytes, 0, bytes.length, offset + place * bytes.length);
  await handle.close();
  return to;
}

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing was said',
    (error: Error) => error.message,
  );

describe('weights', () => {
  it.each([
    [Number.NaN, 'F32', 0],
    [Number.POSITIVE_INFINITY, 'F32', 17],
    [Number.NaN, 'BF16', 5],
    [Number.POSITIVE_INFINITY, 'F16', 3],
  ] as const)(
    '%s in a file of %s is named by file, tensor and element, read or mapped',
    async (value, dtype, place) => {
      const from = await damaged(value, dtype, place);
      const line = `${join(from, 'model.safetensors')}: tensor '${NAME}': expected finite numbers, got ${value} at element ${place}`;
      expect(await messageOf(withCheckpoint(from, loadParameters))).toBe(line);
      if (dtype === 'F32') expect(await messageOf(withCheckpoint(from, storedWeights))).toBe(line);
    },
  );

  it('are never written so: nothing is left, in no type', async () => {
    const parameters = await withCheckpoint(join(models, 'llama'), loadParameters);
    const view = parameters.views.get(NAME) as Float32Array;
    for (const [value, dtype, line] of [
      [Number.NaN, 'F32', 'expected finite numbers, got NaN at element 2'],
      [Number.NEGATIVE_INFINITY, 'BF16', 'expected finite numbers, got -Infinity at element 2'],
      [70_000, 'F16', 'expected values that F16 can hold, got 70000 at element 2; BF16 and F32 hold it'],
    ] as const) {
      view[2] = value;
      const to = join(folder, `refused-${dtype}`);
      expect(await messageOf(writeCheckpoint(to, parameters, { dtype }))).toContain(
        `tensor '${NAME}': ${line}`,
      );
      expect((await readdir(folder)).filter((name) => name.includes('refused'))).toEqual([]);
    }
    view[2] = 65_519;
    const to = join(folder, 'largest');
    await writeCheckpoint(to, parameters, { dtype: 'F16' });
    const read = await withCheckpoint(to, loadParameters);
    expect(read.views.get(NAME)?.[2]).toBe(65_504);
  });
});

const config = (learningRate: number, steps: number, optimizer: object = {}) =>
  resolveConfig({
    task: { name: 'binary-tree', depth: 2, n: 1 },
    model: { layers: 1, heads: 2, width: 16 },
    optimizer: { learning_rate: learningRate, ...optimizer },
    sampling: { group_size: 16, prompts_per_step: 2 },
    evaluation: { every: 0 },
    train: { steps },
    checkpoint: { every: 1, keep: 99 },
  });

describe('logits', () => {
  it('that are not finite are an error of sampling, greedy or not; no token is drawn', async () => {
    for (const temperature of [0, 1]) {
      for (const value of [Number.NaN, 3e38]) {
        const engine = new LocalEngine({
          model: { vocabularySize: 5, contextLength: 8, width: 8, layers: 1, heads: 2 },
          optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
          seed: 0,
          backend: nodeBackend(),
          threads: 1,
        });
        (engine.held as Parameters).flat.fill(value);
        const options = { maxTokens: 3, temperature, topK: 2, topP: 0.9, stopTokens: [], seed: 0 };
        const request = { prompt: Int32Array.of(0), count: 2, key: ['a'] };
        expect(await messageOf(engine.sample([request], options))).toMatch(
          /^sampling: expected a finite log-probability, got (NaN|-?Infinity) for token 1 of a completion; .*$/,
        );
        await engine.dispose();
      }
    }
  });

  it('of a run whose learning rate blew up end it in one line; the last checkpoint is whole and opens', async () => {
    const out = join(folder, 'blown');
    const message = await messageOf(
      run({ config: config(1e38, 9, { name: 'sgd', momentum: 0, max_grad_norm: null }), out, threads: 1 }),
    );
    expect(message).toMatch(/^(step \d+: |.*model\.safetensors: tensor )[^\n]*(NaN|Infinity)[^\n]*$/);
    const steps = await listCheckpoints(join(out, 'checkpoints'));
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) {
      const { tensors } = await readSafetensors(
        join(out, 'checkpoints', `step_00000${step}`, 'model.safetensors'),
      );
      for (const { data } of tensors.values()) expect(data.every(Number.isFinite)).toBe(true);
    }
    const { engine } = await openTrained(out);
    await engine.dispose();
  });

  it('a checkpoint with NaN in it is refused by eval and export, by its file', async () => {
    const out = join(folder, 'poisoned');
    await run({ config: config(1e-3, 1), out, threads: 1 });
    const copy = join(folder, 'poisoned-copy');
    await cp(out, copy, { recursive: true });
    const [step] = (await listCheckpoints(join(copy, 'checkpoints'))).slice(-1);
    const file = join(copy, 'checkpoints', `step_00000${step}`, 'model.safetensors');
    const { open } = await import('node:fs/promises');
    const handle = await open(file, 'r+');
    const { size } = await handle.stat();
    await handle.write(Buffer.from([0, 0, 0xc0, 0x7f]), 0, 4, size - 4);
    await handle.close();
    // A checksum may see it first: in any case it is one line that names the file, and no figures come of it.
    for (const attempt of [
      () => openTrained(copy, step),
      () => exportRun(copy, join(folder, 'never'), { checkpoint: step }),
    ]) {
      expect(await messageOf(attempt())).toMatch(/^[^\n]*model\.safetensors[^\n]*$/);
    }
    expect(await readdir(folder)).not.toContain('never');
  });
});

describe('steps that change nothing', () => {
  it('a learning rate too small for float32 gives one warning, with the step', async () => {
    warnings.length = 0;
    await run({ config: config(1e-30, 3), out: join(folder, 'small'), threads: 1 });
    const unmoved = warnings.filter((line) => line.includes('no weight moved'));
    expect(unmoved.length).toBeGreaterThan(0);
    expect(unmoved[0]).toMatch(
      /^step 1: the gradient's norm is [\d.e-]+, but no weight moved by more than 1e-10: a learning rate of 1e-30 is too small/,
    );
  });

  it('a learning rate that leaves all gradients at zero gives a warning', async () => {
    warnings.length = 0;
    const out = join(folder, 'large');
    const { folder: runFolder } = await run({ config: config(30, 25), out, threads: 1 });
    const norms = (await runFolder.readMetrics()).map(({ grad_norm }) => grad_norm);
    expect(norms.slice(-5)).toEqual([0, 0, 0, 0, 0]);
    const vanished = warnings.filter((line) => line.includes('the gradient has been 0 since step'));
    expect(vanished).toHaveLength(1);
    expect(vanished[0]).toContain('a learning rate of 30 may be too large');
  });

  it('training that goes on says nothing, and neither does one that has solved its task', async () => {
    warnings.length = 0;
    await run({ config: config(1e-3, 6), out: join(folder, 'plain'), threads: 1 });
    expect(warnings).toEqual([]);
    const watch = new StallWatch(0.1);
    const record = {
      phase: 'train',
      entropy: 0,
      zero_variance_share: 1,
      all_right_share: 1,
    } as never as Parameters0;
    watch.step({ ...record, step: 1, grad_norm: 1 }, true);
    for (let step = 2; step < 20; step++)
      expect(watch.step({ ...record, step, grad_norm: 0 }, false)).toBeNull();
  });
});

type Parameters0 = Parameters1[0];
type Parameters1 = globalThis.Parameters<StallWatch['step']>;

it('writeSafetensors leaves a file that was there as it was', async () => {
  const file = join(folder, 'kept.safetensors');
  const tensors = (value: number) => new Map([['w', { shape: [1], data: Float32Array.of(value) }]]);
  await writeSafetensors(file, tensors(1));
  expect(await messageOf(writeSafetensors(file, tensors(Number.NaN)))).toBe(
    `${file}: tensor 'w': expected finite numbers, got NaN at element 0`,
  );
  expect((await readSafetensors(file)).tensors.get('w')?.data[0]).toBe(1);
});
