/**
 * A run from a pretrained model in the Hugging Face layout to an exported model that transformers can read: real
 * tokenizer, chat template, dataset and checker. The model is tiny and random, so the test only shows that the parts
 * work together.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeCheckpoint } from '../src/model/files.js';
import { Parameters, readModelConfig } from '../src/model/index.js';
import { readRollouts } from '../src/rollouts/files.js';
import {
  type BenchmarkResult,
  benchmark,
  type Config,
  exportRun,
  loadConfig,
  openRun,
  openTrained,
  type ProblemRecord,
  RunFolder,
  resolveConfig,
  run,
} from '../src/train/index.js';
import { type HubServer, startHub } from './hub-server.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let folder: string;
let model: string;
let data: string;

/** A model whose embedding fits the tokenizer of test/text. */
async function tinyModel(to: string, changes: Record<string, unknown> = {}): Promise<void> {
  const json = JSON.parse(await readFile(join(root, 'test/models/qwen2/config.json'), 'utf8')) as object;
  const config = readModelConfig(
    { ...json, vocab_size: 424, max_position_embeddings: 256, ...changes },
    'test',
  );
  await writeCheckpoint(to, Parameters.initialize(config, 5));
  for (const name of await readdir(join(root, 'test/text/tokenizer'))) {
    await cp(join(root, 'test/text/tokenizer', name), join(to, name));
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-pretrained-'));
  model = join(folder, 'model');
  data = join(folder, 'sums.jsonl');
  await tinyModel(model);
  const rows = Array.from({ length: 20 }, (_, i) => ({
    question: `What is ${i} + 1?`,
    answer: `${i}+1\n#### ${i + 1}`,
  }));
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = (changes: Record<string, unknown> = {}, task: Record<string, unknown> = {}): Config =>
  resolveConfig({
    task: {
      name: 'math',
      train: [data],
      held_out: 4,
      system_prompt: 'Put the answer in \\boxed{}.',
      max_completion_tokens: 12,
      format_weight: 0.25,
      ...task,
    },
    model: { path: model },
    // Random text has no boxes: digits and boxes are made likely enough by many samples.
    sampling: { group_size: 4, prompts_per_step: 2 },
    train: { steps: 3 },
    optimizer: { name: 'adamw', learning_rate: 1e-3 },
    evaluation: { every: 3, problems: 4 },
    checkpoint: { every: 1, keep: 3 },
    ...changes,
  });

describe('a pretrained model', () => {
  it('is trained on problems in its own chat format; a continued run gives the same numbers', async () => {
    const once = await run({ config: config(), out: join(folder, 'once'), threads: 1 });
    const metrics = await once.folder.readMetrics();
    expect(metrics.filter(({ phase }) => phase === 'train')).toHaveLength(4);
    for await (const group of readRollouts(join(folder, 'once', 'rollouts'))) {
      expect(group.prompt.text).toMatch(
        /^<\|im_start\|>system\nPut the answer in \\boxed\{\}\.<\|im_end\|>\n<\|im_start\|>user\nWhat is \d+ \+ 1\?<\|im_end\|>\n<\|im_start\|>assistant\n$/,
      );
      expect(group.completions).toHaveLength(4);
      for (const { note, rewards } of group.completions) {
        expect(note).toEqual(expect.any(String));
        expect(Object.keys(rewards ?? {})).toEqual(['accuracy', 'format']);
      }
    }
    await run({ config: config({ train: { steps: 2 } }), out: join(folder, 'twice'), threads: 1 });
    await run({ config: config(), out: join(folder, 'twice'), resume: true, threads: 1 });
    const timeless = (all: object[]) =>
      all.map((record) =>
        Object.fromEntries(
          Object.entries(record).filter(([key]) => !key.endsWith('seconds') && !key.startsWith('eval')),
        ),
      );
    expect(timeless(await new RunFolder(join(folder, 'twice')).readMetrics())).toEqual(timeless(metrics));
  });

  it('is exported, and evaluated on another dataset, with only the run folder: without the data, from any folder', async () => {
    const [out, sums] = [join(folder, 'alone'), join(folder, 'alone.jsonl')];
    await cp(data, sums);
    const lora = { path: relative(process.cwd(), model), lora: { r: 2, alpha: 4 } };
    const short = { train: { steps: 1 }, evaluation: { every: 0 } };
    await run({ config: config({ ...short, model: lora }, { train: [sums] }), out, threads: 1 });
    await rm(sums);
    const before = process.cwd();
    process.chdir('/');
    try {
      await exportRun(out, join(folder, 'alone-adapter'));
      await exportRun(out, join(folder, 'alone-merged'), { merged: true });
      const change = (c: Config): Config =>
        c.task.name === 'math' ? { ...c, task: { ...c.task, train: [data], held_out_files: [data] } } : c;
      const { engine, task } = await openTrained(out, undefined, { threads: 1, change });
      expect(task.heldOut).toHaveLength(20);
      await engine.dispose();
      await expect(openTrained(out)).rejects.toThrow('alone.jsonl');
    } finally {
      process.chdir(before);
    }
  });

  it('once trained is exported, evaluated, and trained on; greedy figures do not depend on the batch', async () => {
    const out = join(folder, 'exported');
    expect(await exportRun(join(folder, 'once'), out)).toEqual({
      step: 3,
      dtype: 'F32',
      adapter: false,
      skipped: [],
    });
    expect((await readdir(out)).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    await expect(exportRun(join(folder, 'once'), out)).rejects.toThrow(
      'expected a new folder, got one that exists',
    );
    await expect(exportRun(join(folder, 'once'), `${out}2`, { checkpoint: 7 })).rejects.toThrow(
      'no checkpoint of step 7; the run has 1, 2, 3',
    );
    const options = { samples: 0, passAt: [], temperature: 1, topP: 1, topK: 0, seed: 3, batch: 3 };
    const trained = await openTrained(join(folder, 'once'), undefined, { threads: 1 });
    const records: ProblemRecord[] = [];
    const before = await benchmark(trained.engine, trained.task, trained.task.heldOut, {
      ...options,
      onRecord: (record) => void records.push(record),
    });
    await trained.engine.dispose();
    expect(records.map(({ answer }) => answer)).toEqual(['17', '18', '19', '20']);
    const again = await openRun(config({ model: { path: out } }), { threads: 1 });
    const batches: BenchmarkResult[] = [];
    for (const batch of [1, 16]) {
      batches.push(await benchmark(again.engine, again.task, again.task.heldOut, { ...options, batch }));
    }
    expect(batches).toEqual([before, before]);
    // Samples: the same whatever else is in the batch.
    const several: BenchmarkResult[] = [];
    for (const batch of [1, 16]) {
      several.push(
        await benchmark(again.engine, again.task, again.task.heldOut, {
          ...options,
          samples: 4,
          passAt: [1, 4],
          batch,
        }),
      );
    }
    expect(several[1]).toEqual(several[0]);
    expect(several[0].passAt[1].value).toBeCloseTo(several[0].accuracy.value, 12);
    await again.engine.dispose();
  });

  it.each([
    [
      'a model that is not there',
      { model: { path: '/no/such/model' } },
      {},
      "model: expected a model's folder, or owner/name on the Hub, got '/no/such/model'",
    ],
    [
      'a dataset that is not there',
      {},
      { train: ['/no/such.jsonl'] },
      '/no/such.jsonl: cannot be read: ENOENT: no such file or directory',
    ],
    [
      'more held out than there is',
      {},
      { held_out: 20 },
      'task.held_out: expected fewer than the 20 problems of the files, got 20',
    ],
    [
      'prompts that are all too long',
      {},
      { max_prompt_tokens: 5 },
      'none of the 16 training problems is that short',
    ],
    [
      'a context that is too short',
      {},
      { max_completion_tokens: 250 },
      "expected a model with a context of at least 301, got 256: the task's prompts have up to 51 tokens, its completions up to 250",
    ],
    [
      'a task with a vocabulary of its own',
      { task: { name: 'binary-tree' } },
      {},
      "expected null with the task 'binary-tree', which has its own vocabulary",
    ],
    [
      'no tokenizer',
      { model: {} },
      {},
      "model.tokenizer: expected a folder, or model.path, for the task 'math', got null",
    ],
    [
      'a column that is not there',
      {},
      { columns: { answer: 'gold' } },
      "expected a column 'gold', got question, answer",
    ],
  ])('%s is one clear line, and nothing is written', async (_, changes, task, line) => {
    const settings =
      'task' in changes ? resolveConfig({ ...changes, model: { path: model } }) : config(changes, task);
    const out = join(folder, 'refused');
    const error = await run({ config: settings, out, threads: 1 }).catch((e: Error) => e);
    expect((error as Error).message).toContain(line);
    expect((error as Error).message).not.toContain('\n');
    await expect(readdir(out)).rejects.toThrow('ENOENT');
  });

  it('whose embedding is smaller than its tokenizer is refused; so is a broken template, and a row without an answer', async () => {
    const small = join(folder, 'small');
    await tinyModel(small, { vocab_size: 300 });
    const refused = async (settings: Config): Promise<string> =>
      (
        (await run({ config: settings, out: join(folder, 'refused'), threads: 1 }).catch(
          (e: Error) => e,
        )) as Error
      ).message;
    expect(await refused(config({ model: { path: small } }))).toContain(
      'expected the tokenizer of this model, whose embedding has 300 rows',
    );
    const broken = join(folder, 'broken');
    await mkdir(broken);
    await cp(model, broken, { recursive: true });
    await writeFile(join(broken, 'chat_template.jinja'), "{{ raise_exception('no system here') }}");
    expect(await refused(config({ model: { path: broken } }))).toMatch(
      /chat_template\.jinja: the chat template fails on messages of system, user: no system here$/,
    );
    const bad = join(folder, 'bad.jsonl');
    await writeFile(bad, '{"problem":"1+1","answer":"2"}\n{"problem":"1+2","answer":null}\n');
    expect(await refused(config({}, { train: [bad] }))).toBe(
      `${bad}:2: answer: expected an answer, got null`,
    );
    await writeFile(bad, '{"problem":"1+1","answer":"2"}\n{"problem":');
    expect(await refused(config({}, { train: [bad] }))).toContain(`${bad}:2: is not JSON`);
  });

  it('recipes of pretrained models are configurations; the paper’s have the paper’s numbers', () => {
    const recipe = (name: string) => loadConfig(join(root, 'recipes', `${name}.yaml`));
    for (const [name, learningRate] of [
      ['qwen-1.5b-openrs', 1e-6],
      ['llama-1b-openrs', 5e-7],
    ] as const) {
      expect(recipe(name)).toMatchObject({
        optimizer: { learning_rate: learningRate },
        model: { lora: { r: 64, alpha: 128, dropout: 0.05 } },
        sampling: { group_size: 6, prompts_per_step: 4, temperature: 0.75 },
        task: { name: 'math', held_out: 125, max_completion_tokens: 4096, stop_at_box: true },
        train: { steps: 1000 },
        evaluation: { every: 25, problems: 125 },
      });
    }
    expect(recipe('qwen-0.5b').model.path).toBe('Qwen/Qwen2.5-0.5B-Instruct');
  });
});

describe('a model of the Hub', () => {
  let hub: HubServer;
  const [first, second] = ['a'.repeat(40), 'b'.repeat(40)];
  beforeAll(async () => {
    const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
    const files = await Promise.all(
      names.map(async (name) => [name, await readFile(join(model, name))] as const),
    );
    hub = await startHub(new Map(files), first);
    vi.stubEnv('HF_ENDPOINT', hub.url);
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await hub.close();
  });

  it('is pinned: a run goes on with the commit it began with, though the branch has moved', async () => {
    const out = join(folder, 'of-the-hub');
    const settings = (steps: number, revision: string | null = null): Config =>
      config({ model: { path: 'me/tiny', revision }, train: { steps } });
    const fetched: number[] = [];
    await run({ config: settings(1), out, threads: 1, onFetch: ({ bytes }) => fetched.push(bytes) });
    expect(fetched.at(-1)).toBeGreaterThan(50_000);
    expect(loadConfig(join(out, 'config.yaml')).model).toMatchObject({ path: 'me/tiny', revision: first });
    hub.commit = second;
    hub.requests.length = 0;
    await run({ config: settings(2), out, threads: 1, resume: true });
    expect(hub.requests.some((line) => line.includes(second))).toBe(false);
    expect(loadConfig(join(out, 'config.yaml'))).toMatchObject({
      model: { revision: first },
      train: { steps: 2 },
    });
    await expect(run({ config: settings(3, second), out, threads: 1, resume: true })).rejects.toThrow(
      `model.revision: expected "${first}", as in the run to continue, got "${second}"`,
    );
    const { step, engine } = await openTrained(out, undefined, { threads: 1 });
    expect(step).toBe(2);
    await engine.dispose();
    await run({ config: settings(1), out: `${out}-later`, threads: 1 });
    expect(loadConfig(join(`${out}-later`, 'config.yaml')).model.revision).toBe(second);
  });
});
