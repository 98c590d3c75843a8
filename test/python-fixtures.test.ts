/**
 * The committed numbers are those that Python gives: every script of scripts/python that makes fixtures runs again,
 * into a temporary folder. (Other tests compare our code with the committed numbers, so that they need no Python.)
 */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors } from '../src/model/files.js';
import { hasPython, runPython } from './python.js';

const models = join(import.meta.dirname, 'models');
const text = join(import.meta.dirname, 'text');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-fixtures-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Tensors of a file that was made now against the committed one, to within 1e-4 of their norm. */
async function expectSameTensors(fresh: string, committed: string): Promise<void> {
  const [now, before] = await Promise.all([fresh, committed].map(async (file) => readSafetensors(file)));
  expect([...now.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
  expect(now.tensors.size).toBeGreaterThan(0);
  for (const [key, { data }] of now.tensors) {
    const expected = before.tensors.get(key)?.data as Float32Array;
    expect(data.length).toBe(expected.length);
    const norm = Math.sqrt(expected.reduce((sum, v) => sum + v * v, 0));
    const most = expected.reduce((m, v, i) => Math.max(m, Math.abs(v - data[i])), 0);
    expect(most, `${committed} ${key}`).toBeLessThan(1e-4 * Math.max(1, norm));
  }
}

const json = async (file: string) => JSON.parse(await readFile(file, 'utf8'));

describe.skipIf(!hasPython)('made again by Python', { timeout: 240_000 }, () => {
  it('models: weights, logits, gradients and greedy tokens of transformers', async () => {
    runPython('make_model_fixtures.py', [folder]);
    for (const name of ['gpt2', 'llama', 'qwen2', 'qwen2-untied', 'qwen3', 'smollm3']) {
      for (const file of ['model.safetensors', 'expected.safetensors']) {
        await expectSameTensors(join(folder, name, file), join(models, name, file));
      }
    }
    const variants = await readdir(join(models, 'variants'));
    expect((await readdir(join(folder, 'variants'))).sort()).toEqual(variants.sort());
    for (const name of variants) {
      for (const file of ['model.safetensors', 'expected.safetensors']) {
        const at = join('variants', name, file);
        await expectSameTensors(join(folder, at), join(models, at));
      }
    }
    const [now, before] = await Promise.all([folder, models].map((root) => json(join(root, 'configs.json'))));
    const read = (cases: { name: string; read: unknown }[]) => cases.map(({ name, read }) => [name, read]);
    expect(read(now)).toEqual(read(before));
  });

  it('adapters: files, logits, gradients and merged models of peft', async () => {
    await cp(models, folder, { recursive: true });
    await rm(join(folder, 'lora'), { recursive: true });
    runPython('make_lora_fixtures.py', [folder]);
    for (const name of ['qwen2', 'gpt2', 'qwen3']) {
      const at = join('lora', name);
      for (const file of ['adapter_model.safetensors', 'expected.safetensors']) {
        await expectSameTensors(join(folder, at, file), join(models, at, file));
      }
      const keys = ['r', 'lora_alpha', 'lora_dropout', 'fan_in_fan_out', 'peft_type', 'task_type'] as const;
      const [now, before] = await Promise.all(
        [folder, models].map((root) => json(join(root, at, 'adapter_config.json'))),
      );
      for (const key of keys) expect(now[key]).toEqual(before[key]);
      expect([...now.target_modules].sort()).toEqual([...before.target_modules].sort());
    }
  });

  it('losses: the whole family by autograd over separate sequences', async () => {
    await cp(models, folder, { recursive: true });
    await rm(join(folder, 'losses'), { recursive: true });
    runPython('make_loss_fixtures.py', [folder]);
    await expectSameTensors(
      join(folder, 'losses', 'expected.safetensors'),
      join(models, 'losses', 'expected.safetensors'),
    );
    const [now, before] = await Promise.all(
      [folder, models].map((root) => json(join(root, 'losses', 'cases.json'))),
    );
    expect(Object.keys(now.cases)).toEqual(Object.keys(before.cases));
    for (const [name, { loss, norm }] of Object.entries<{ loss: number; norm: number }>(now.cases)) {
      expect(Math.abs(loss - before.cases[name].loss), name).toBeLessThan(1e-5);
      expect(Math.abs(norm / before.cases[name].norm - 1), name).toBeLessThan(1e-4);
    }
  });

  it('texts: token ids of the tokenizers library, templates as transformers renders them', async () => {
    runPython('make_text_fixtures.py', ['--out', folder]);
    const [cases, chat] = await Promise.all(
      ['cases.json', 'chat.json'].map(async (file) => ({
        now: await json(join(folder, file)),
        before: await json(join(text, file)),
      })),
    );
    expect(cases.now.texts).toEqual(cases.before.texts);
    expect(cases.now.ids.own).toEqual(cases.before.ids.own);
    expect(cases.now.decoded.own).toEqual(cases.before.decoded.own);
    expect(chat.now.templates).toEqual(chat.before.templates);
    expect(chat.now.cases).toEqual(chat.before.cases);
  });

  it('tokenizers: ids of random strings of all of Unicode, plain prompts, and the table of categories', async () => {
    runPython('make_tokenizer_fixtures.py', ['--out', folder, '--tokenizers', join(text, 'unicode')]);
    const names = (await readdir(join(text, 'unicode'))).filter((name) => name !== 'others.json');
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      expect(await json(join(folder, name)), name).toEqual(await json(join(text, 'unicode', name)));
    }
    const file = join(folder, 'unicode-table.ts');
    runPython('make_unicode_table.py', [file]);
    const committed = join(import.meta.dirname, '../src/text/unicode-table.ts');
    const [now, before] = await Promise.all([file, committed].map((at) => readFile(at, 'utf8')));
    const table = (source: string) => source.slice(source.indexOf('export'));
    expect(table(now)).toBe(table(before));
  });
});
