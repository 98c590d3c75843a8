import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../model/files.js';
import { parameterSpecs } from '../../model/index.js';
import { Stream } from '../../random/stream.js';
import { runGpt2 } from '../work/gpt2.js';
import { runUnit } from '../work/index.js';
import { binaryTreeGpt2, gpt2Verdict } from './binary-tree-gpt2.js';

const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-gpt2-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('surely higher: holds; higher by 0.2: in part; else not here', () => {
  expect(gpt2Verdict([0.9, 1, 0.95], [0, 0.1, 0])).toBe('holds');
  expect(gpt2Verdict([1, 0, 1], [0, 0, 0])).toBe('holds in part');
  expect(gpt2Verdict([1, 0, 0], [0, 0, 1])).toBe('does not hold here');
});

it('a full run has GPT-2-small’s shape and is not a part of all', () => {
  const settings = binaryTreeGpt2.settings({ quick: false });
  expect(settings).toMatchObject({ seeds: 5, run: { model: { layers: 12, heads: 12, width: 768 } } });
  expect(binaryTreeGpt2.units(settings, {})).toHaveLength(10);
  expect(binaryTreeGpt2.long).toBe(true);
});

describe('a checkpoint of GPT-2', () => {
  const settings = binaryTreeGpt2.settings({ quick: true, seeds: 1 }) as Parameters<
    typeof binaryTreeGpt2.units
  >[0] & {
    run: Parameters<typeof runGpt2>[0]['config'];
  };
  const { layers, heads, width } = settings.run.model;
  const model = { layers, heads, width, vocabularySize: 50_257, contextLength: 16 };
  const stream = new Stream('gpt2');
  const specs = parameterSpecs(model);
  const tensors = new Map(
    specs.map(({ name, shape, size }) => [
      name,
      { shape, data: Float32Array.from({ length: size }, (_, i) => (i % 97 === 0 ? stream.normal() : 0.01)) },
    ]),
  );

  it('gives its blocks, the first positions and the rows of three tokens; runs start from it', async () => {
    const file = join(folder, 'gpt2.safetensors');
    await writeSafetensors(file, tensors);
    const units = binaryTreeGpt2.units(settings, { checkpoint: file });
    expect(units.map(({ spec }) => spec.kind)).toEqual(['gpt2', 'train', 'train']);
    const [start, grpo] = units;
    expect(grpo.needs).toEqual([start.id]);
    await runUnit(start.spec, { folder, id: start.id, progress: () => {} });
    const { tensors: weights } = await readSafetensors(
      join(folder, 'units', start.id, 'checkpoints', 'step_000000', 'model.safetensors'),
    );
    const source = (name: string) => tensors.get(name)?.data as Float32Array;
    const row = (id: number) => source('wte.weight').subarray(id * width, (id + 1) * width);
    expect(weights.get('wte.weight')?.data).toEqual(
      Float32Array.from([...row(50_256), ...row(43), ...row(49)]),
    );
    expect(weights.get('wpe.weight')?.data).toEqual(source('wpe.weight').slice(0, 5 * width));
    expect(weights.get('h.1.mlp.c_fc.weight')?.data).toEqual(source('h.1.mlp.c_fc.weight'));
    const figures = await runUnit(grpo.spec, { folder, id: grpo.id, progress: () => {} });
    expect(figures).toMatchObject({ success: expect.any(Array) });
  });

  it('of another shape is refused, by tensor', async () => {
    const file = join(folder, 'small.safetensors');
    const small = new Map(tensors).set('wte.weight', {
      shape: [100, width],
      data: new Float32Array(100 * width),
    });
    await writeSafetensors(file, small);
    const spec = { kind: 'gpt2', config: settings.run, file, size: 0 } as const;
    await expect(runGpt2(spec, { folder, id: 'x', progress: () => {} })).rejects.toThrow(
      "wte.weight: expected GPT-2's vocabulary of 50257 at width 96, got shape [100, 96]",
    );
    small.delete('ln_f.bias');
    small.set('wte.weight', tensors.get('wte.weight') as never);
    await writeSafetensors(file, small);
    await expect(runGpt2(spec, { folder, id: 'x', progress: () => {} })).rejects.toThrow(
      "tensor 'ln_f.bias' is missing",
    );
    expect(() => binaryTreeGpt2.units(settings, { checkpoint: join(folder, 'none') })).toThrow(
      'no such file',
    );
  });
});
