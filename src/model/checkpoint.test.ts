import { createHash } from 'node:crypto';
import { cp, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadParameters } from './checkpoint.js';
import {
  folderStore,
  openCheckpoint,
  readSafetensors,
  withCheckpoint,
  writeCheckpoint,
  writeSafetensors,
} from './files.js';
import type { Parameters } from './parameters.js';
import { SafetensorsFile } from './safetensors.js';

const models = join(dirname(fileURLToPath(import.meta.url)), '../../test/models');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-checkpoint-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const load = (from: string): Promise<Parameters> => withCheckpoint(from, loadParameters);

/** A copy of a real checkpoint that the test may damage. */
async function copy(name: string): Promise<string> {
  const to = join(folder, name);
  await cp(join(models, name), to, { recursive: true });
  await rm(join(to, 'expected.safetensors'));
  return to;
}

async function says(from: string, line: string): Promise<void> {
  const error = await load(from).then(
    () => new Error('it was loaded'),
    (e: Error) => e,
  );
  expect(error.message).toContain(line);
  expect(error.message).not.toContain('\n');
}

/** Writes a file with this header and the given number of data bytes. */
async function raw(file: string, header: unknown, dataBytes: number, length?: number): Promise<void> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(length ?? json.length));
  await writeFile(file, Buffer.concat([start, json, Buffer.alloc(dataBytes)]));
}

describe('a checkpoint', () => {
  it.each(['gpt2', 'llama', 'qwen2', 'qwen2-untied', 'qwen3', 'smollm3'])(
    '%s: what is written is what was read',
    async (name) => {
      const before = await load(join(models, name));
      for (const shardBytes of [5e9, 20_000]) {
        const to = join(folder, `out-${shardBytes}`);
        await writeCheckpoint(to, before, { shardBytes, source: join(models, name) });
        const after = await load(to);
        expect(after.config).toEqual(before.config);
        expect(Buffer.from(after.flat.buffer).equals(Buffer.from(before.flat.buffer))).toBe(true);
        const shards = (await readdir(to)).filter((file) => file.endsWith('.safetensors')).length;
        if (shardBytes === 5e9) expect(shards).toBe(1);
        else expect(shards).toBeGreaterThan(2);
      }
    },
  );

  it.each(['BF16', 'F16'] as const)(
    'stored as %s, it is read to within its rounding, and the same twice',
    async (dtype) => {
      const before = await load(join(models, 'qwen3'));
      await writeCheckpoint(join(folder, 'a'), before, { dtype });
      const once = await load(join(folder, 'a'));
      const limit = dtype === 'BF16' ? 2 ** -8 : 2 ** -11;
      for (let i = 0; i < once.flat.length; i++) {
        expect(Math.abs(once.flat[i] - before.flat[i])).toBeLessThanOrEqual(
          limit * Math.abs(before.flat[i]) + 1e-7,
        );
      }
      await writeCheckpoint(join(folder, 'b'), once, { dtype });
      const hash = async (at: string) =>
        createHash('sha256')
          .update(await readFile(join(folder, at, 'model.safetensors')))
          .digest('hex');
      expect(await hash('a')).toBe(await hash('b'));
      const { dtype: storedDtype, close } = await openCheckpoint(join(folder, 'a'));
      await close();
      expect(storedDtype).toBe(dtype);
    },
  );

  it('is never written over', async () => {
    const parameters = await load(join(models, 'qwen2'));
    await expect(writeCheckpoint(await copy('qwen2'), parameters)).rejects.toThrow(
      'expected a new folder, got one that exists',
    );
  });

  it('takes the tokenizer and unknown keys of its source along', async () => {
    const source = await copy('llama');
    await writeFile(join(source, 'tokenizer.json'), '{}');
    await writeFile(join(source, 'tokenizer_config.json'), '{"eos_token":"x"}');
    await writeFile(join(source, 'notes.txt'), 'no');
    await writeCheckpoint(join(folder, 'out'), await load(source), { source });
    expect((await readdir(join(folder, 'out'))).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const json = JSON.parse(await readFile(join(folder, 'out', 'config.json'), 'utf8')) as {
      eos_token_id: number;
    };
    expect(json.eos_token_id).toBe(2);
  });
});

describe('what is wrong is named in one line', () => {
  it('a folder without configuration, weights, or with weights of another kind', async () => {
    await says(folder, 'config.json: cannot be read (ENOENT)');
    const at = await copy('qwen2');
    await rm(join(at, 'model.safetensors'));
    await says(at, 'has no model.safetensors and no model.safetensors.index.json');
    await writeFile(join(at, 'pytorch_model.bin'), '');
    await says(at, 'pytorch_model.bin has a format that is not supported');
    await writeFile(join(at, 'config.json'), '{');
    await says(at, 'config.json: is not JSON');
  });

  it('missing and extra tensors, and those of another shape', async () => {
    const at = await copy('llama');
    const file = join(at, 'model.safetensors');
    const { tensors } = await readSafetensors(file);
    const norm = tensors.get('model.norm.weight');
    const changed = new Map(tensors);
    changed.delete('model.norm.weight');
    await writeSafetensors(file, changed);
    await says(at, "a tensor is missing: 'model.norm.weight'");
    for (let i = 0; i < 5; i++) changed.set(`model.extra.${i}`, norm as NonNullable<typeof norm>);
    changed.set('model.norm.weight', norm as NonNullable<typeof norm>);
    await writeSafetensors(file, changed);
    await says(
      at,
      "5 tensors are not part of this llama model: 'model.extra.0', 'model.extra.1', 'model.extra.2' and 2 more",
    );
    changed.clear();
    for (const [key, tensor] of tensors) changed.set(key, tensor);
    changed.set('model.norm.weight', { shape: [4, 8], data: new Float32Array(32) });
    await writeSafetensors(file, changed);
    await says(at, "tensor 'model.norm.weight' has shape [4, 8]; config.json expects [32]");
  });

  it('buffers of older files, and a head beside a tied one, are no fault', async () => {
    const at = await copy('qwen2');
    const file = join(at, 'model.safetensors');
    const { tensors } = await readSafetensors(file);
    const more = new Map(tensors);
    more.set('model.layers.0.self_attn.rotary_emb.inv_freq', { shape: [4], data: new Float32Array(4) });
    more.set(
      'lm_head.weight',
      tensors.get('model.embed_tokens.weight') as NonNullable<ReturnType<typeof tensors.get>>,
    );
    await writeSafetensors(file, more);
    const [a, b] = [await load(at), await load(join(models, 'qwen2'))];
    expect(a.flat).toEqual(b.flat);
  });

  it('an index that names files elsewhere, files that are not there, or tensors they do not have', async () => {
    const at = await copy('qwen2');
    const parameters = await load(at);
    await rm(at, { recursive: true });
    await writeCheckpoint(at, parameters, { shardBytes: 20_000 });
    const index = join(at, 'model.safetensors.index.json');
    const whole = JSON.parse(await readFile(index, 'utf8')) as { weight_map: Record<string, string> };
    const withMap = (map: Record<string, string>) =>
      writeFile(index, JSON.stringify({ weight_map: { ...whole.weight_map, ...map } }));
    await withMap({ 'model.norm.weight': '../secret.safetensors' });
    await says(
      at,
      'model.norm.weight: expected the name of a file in the same folder, got "../secret.safetensors"',
    );
    await withMap({ 'model.norm.weight': 'model-00009-of-00009.safetensors' });
    await says(at, 'model-00009-of-00009.safetensors: is missing');
    await withMap({ 'model.norm.weight': 'model-00001-of-00004.safetensors' });
    await says(at, "tensor 'model.norm.weight' is missing");
    await writeFile(index, '{}');
    await says(at, 'weight_map: expected the file of each tensor, got nothing');
  });

  it('a file that is cut short, or whose header lies', async () => {
    const at = await copy('qwen2');
    const file = join(at, 'model.safetensors');
    const whole = await readFile(file);
    for (const length of [0, 4, 8, 100, whole.length - 4000, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await says(at, 'the file is cut short or damaged');
    }
    await writeFile(file, Buffer.concat([whole, Buffer.alloc(3)]));
    await says(at, '3 bytes after the last tensor');
    const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    for (const [header, data, line] of [
      ['{', 0, 'its header is not JSON'],
      ['[]', 0, 'its header is not an object'],
      [{ a: { ...a, dtype: 'I64' } }, 8, "tensor 'a': expected F32, BF16, F16, got I64"],
      [{ a: { ...a, shape: [3] } }, 8, "tensor 'a' has 8 bytes, its shape [3] needs 12"],
      [{ a: { ...a, shape: [-2] } }, 8, 'has the shape [-2]'],
      [{ a: { ...a, data_offsets: [8, 0] } }, 8, 'has the offsets [8,0]'],
      [{ a: { ...a, data_offsets: [0, 1e300] } }, 8, 'has the offsets'],
      [{ a, b: { ...a, data_offsets: [4, 12] } }, 12, "tensor 'b' overlaps"],
      [{ a, b: { ...a, data_offsets: [12, 20] } }, 20, "tensor 'b' leaves 4 bytes unused"],
      [{ a: null }, 8, "tensor 'a': expected F32, BF16, F16, got undefined"],
    ] as const) {
      await raw(file, header, data);
      await says(at, line);
    }
    await raw(file, {}, 8, 2 ** 40);
    await says(at, 'its header should have 1099511627776 bytes');
    await says(join(models, 'nowhere'), 'cannot be read');
  });
});

it('reads a tensor that lies beyond 4 GiB of a file', async () => {
  const file = join(folder, 'large.safetensors');
  const first = 4.5 * 2 ** 30;
  const header = JSON.stringify({
    a: { dtype: 'BF16', shape: [first / 2], data_offsets: [0, first] },
    b: { dtype: 'F32', shape: [3], data_offsets: [first, first + 12] },
  });
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(header.length));
  // A sparse file: it takes no disk space.
  const handle = await open(file, 'w');
  await handle.write(Buffer.concat([start, Buffer.from(header)]), 0, undefined, 0);
  await handle.write(new Uint8Array(Float32Array.of(1, 2, 3).buffer), 0, 12, 8 + header.length + first);
  await handle.close();
  const opened = await SafetensorsFile.open(folderStore(dirname(file)), basename(file));
  const into = new Float32Array(3);
  await opened.read('b', into);
  await opened.close();
  expect([...into]).toEqual([1, 2, 3]);
});
