/**
 * Checkpoints whose config.json disagrees with their weights, and configurations of public models: they are read as
 * transformers reads them (scripts/python/make_model_fixtures.py wrote the files and the logits of transformers).
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { architectureOf, type ModelConfig } from '../src/model/config.js';
import { readSafetensors, withCheckpoint, writeCheckpoint, writeSafetensors } from '../src/model/files.js';
import { loadParameters, type Parameters, readModelConfig, toHuggingFaceConfig } from '../src/model/index.js';
import { logitsOf } from './logits.js';

const models = join(import.meta.dirname, 'models');
const variants = join(models, 'variants');
const SEQUENCE = [...Array.from({ length: 48 }, (_, i) => 47 - i), 7, 21, 3];

const ownLogits = async (parameters: Parameters): Promise<Float32Array> =>
  (await logitsOf(parameters.config, [parameters], [SEQUENCE]))[0];

const furthest = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
};

describe('a checkpoint with a contradiction or an older form', async () => {
  it.each(await readdir(variants))(
    '%s: gives the logits of transformers, and again when written',
    async (name) => {
      const { tensors } = await readSafetensors(join(variants, name, 'expected.safetensors'));
      const expected = tensors.get('logits')?.data as Float32Array;
      const parameters = await withCheckpoint(join(variants, name), loadParameters);
      expect(furthest(await ownLogits(parameters), expected)).toBeLessThan(2e-4);
      const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-variants-'));
      try {
        await writeCheckpoint(join(folder, 'out'), parameters, { source: join(variants, name) });
        const again = await withCheckpoint(join(folder, 'out'), loadParameters);
        expect(furthest(await ownLogits(again), expected)).toBeLessThan(2e-4);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

  it('a separate head under a flag of tied ones is used, with a warning; two equal ones are one', async () => {
    const open = (folder: string) =>
      withCheckpoint(folder, async ({ config, warnings }) => ({
        tied: architectureOf(config).tiedHead,
        warnings,
      }));
    for (const name of ['llama', 'gpt2']) {
      const folder = join(variants, `${name}-tied-flag-own-head`);
      const { tied, warnings } = await open(folder);
      expect(tied).toBe(false);
      expect(warnings).toEqual([
        expect.stringMatching(
          /config\.json: tie_word_embeddings: is true, but lm_head\.weight .* separate head is used/,
        ),
      ]);
    }
    expect(await open(join(variants, 'llama-only-head'))).toEqual({ tied: true, warnings: [] });
    expect(await open(join(variants, 'gpt2-own-head'))).toEqual({ tied: false, warnings: [] });
    const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-variants-'));
    try {
      const to = join(folder, 'both');
      await cp(join(variants, 'llama-rope-old'), to, { recursive: true });
      const { tensors } = await readSafetensors(join(to, 'model.safetensors'));
      const table = tensors.get('model.embed_tokens.weight');
      if (!table) throw new Error('it has no embedding');
      await writeSafetensors(join(to, 'model.safetensors'), new Map([...tensors, ['lm_head.weight', table]]));
      const json = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object;
      await writeFile(join(to, 'config.json'), JSON.stringify({ ...json, tie_word_embeddings: true }));
      expect(await open(to)).toEqual({ tied: true, warnings: [] });
      const changed = { shape: table.shape, data: table.data.map((x, i) => (i === 700 ? x + 1e-3 : x)) };
      await writeSafetensors(
        join(to, 'model.safetensors'),
        new Map([...tensors, ['lm_head.weight', changed]]),
      );
      expect((await open(to)).warnings).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

interface ConfigCase {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly read: {
    readonly width: number;
    readonly layers: number;
    readonly heads: number;
    readonly context: number;
    readonly vocabulary: number;
    readonly tied: boolean;
    readonly headWidth: number;
    readonly keyValueHeads: number;
    readonly theta: number | null;
    readonly rope: string | null;
  };
}
const configs = JSON.parse(await readFile(join(models, 'configs.json'), 'utf8')) as ConfigCase[];

describe('a configuration of transformers or of a public model', () => {
  it.each(configs)('$name: is read as transformers reads it', ({ config, read }) => {
    const ours: ModelConfig = readModelConfig(config, 'config.json');
    const { rotary, tiedHead, headWidth, keyValueHeads } = architectureOf(ours);
    expect({
      width: ours.width,
      layers: ours.layers,
      heads: ours.heads,
      context: ours.contextLength,
      vocabulary: ours.vocabularySize,
      tied: tiedHead,
      headWidth,
      keyValueHeads,
      theta: rotary?.theta ?? null,
      rope: rotary && (rotary.scaling ? 'llama3' : 'default'),
    }).toEqual(read);
    expect(readModelConfig(JSON.parse(JSON.stringify(toHuggingFaceConfig(ours))), 'config.json')).toEqual(
      ours,
    );
  });
});
