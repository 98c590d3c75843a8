import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Group } from '../rollouts/index.js';
import { readOwnRollouts } from '../rollouts/own-files.js';
import { checkpointName } from './checkpoint.js';
import { mayChange } from './config.js';
import { resolveConfig } from './config-sources.js';
import { continueRunFolder, createRunFolder, openRunFolder } from './run-folder.js';

const config = resolveConfig({ task: { name: 'binary-tree' } });
const group: Group = {
  id: 'a',
  step: 1,
  prompt: { tokens: Int32Array.of(0) },
  completions: [{ tokens: Int32Array.of(1, 2), reward: 1 }],
  tokens: 'exact',
  groups: 'explicit',
};
let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'run-folder-'));
});
afterEach(() => rm(base, { recursive: true }));

describe('a run folder', () => {
  test('holds the resolved configuration, metrics and rollouts', async () => {
    const folder = await createRunFolder(join(base, 'deep/run'), config);
    await folder.appendMetrics({ phase: 'warmup', step: 1, loss: 2 });
    await folder.appendMetrics({ phase: 'train', step: 1, loss: 0.5 });
    await folder.writeRollouts(1, [group]);
    expect((await readdir(folder.path)).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'metrics.jsonl',
      'rollouts',
      'writer.lock',
    ]);
    expect(await folder.readMetrics()).toEqual([
      { phase: 'warmup', step: 1, loss: 2 },
      { phase: 'train', step: 1, loss: 0.5 },
    ]);
    expect(await folder.rolloutSteps()).toEqual([1]);
    for await (const read of readOwnRollouts(folder.rolloutsFile(1)))
      expect(read.completions[0].reward).toBe(1);
    expect((await openRunFolder(folder.path)).config).toEqual(config);
  });

  test('is never written over: an existing run, and a folder with anything in it, are refused in one line', async () => {
    const { path, configFile } = await createRunFolder(join(base, 'run'), config);
    const before = await readFile(configFile, 'utf8');
    await expect(createRunFolder(path, { ...config, seed: 1 })).rejects.toThrow(
      /^.*run: expected a folder without a run, got one with a run; choose another with --out, or continue it with --resume$/,
    );
    expect(await readFile(configFile, 'utf8')).toBe(before);
    await writeFile(join(base, 'file'), '');
    await expect(createRunFolder(join(base, 'file'), config)).rejects.toThrow(
      /^.*file: cannot be a run folder \(ENOTDIR\); choose another with --out$/,
    );
    await expect(createRunFolder(base, config)).rejects.toThrow(
      'expected an empty folder, got one with files (file)',
    );
  });

  test('is continued only under the same configuration, but for what changes no result', async () => {
    const created = await createRunFolder(join(base, 'run'), config);
    const { path } = created;
    await created.close();
    const longer = { ...config, train: { ...config.train, steps: 999 } };
    const continued = await continueRunFolder(path, longer);
    expect(continued.config).toEqual(longer);
    await continued.folder.close();
    expect((await openRunFolder(path)).config).toEqual(longer);
    const faster = { ...config, optimizer: { ...config.optimizer, learning_rate: 0.01 } };
    await expect(continueRunFolder(path, faster)).rejects.toThrow(
      'optimizer.learning_rate: expected 0.0003, as in the run to continue, got 0.01',
    );
    const other = resolveConfig({ task: { name: 'arithmetic' } });
    await expect(continueRunFolder(path, other)).rejects.toThrow(
      'task.name: expected "binary-tree", as in the run to continue, got "arithmetic"',
    );
    await expect(openRunFolder(join(base, 'none'))).rejects.toThrow(
      'none: expected the folder of a run, got a path that does not exist; start a run without',
    );
    await expect(openRunFolder(base)).rejects.toThrow(
      'expected a run to continue, got a folder without config.yaml',
    );
  });

  test('may change on --resume what the schema marks, and nothing else', async () => {
    const created = await createRunFolder(join(base, 'run'), config);
    const { path } = created;
    await created.close();
    const changed = {
      ...config,
      train: { steps: 3, micro_batch_tokens: 64, gradient_checkpointing: true },
      evaluation: { every: 7, problems: 9 },
      checkpoint: { every: 1, keep: 9, best: true },
      log: { rollouts_every: 5, tensorboard: true },
    };
    await (await continueRunFolder(path, changed)).folder.close();
    for (const section of ['objective', 'optimizer', 'sampling', 'model', 'warmup', 'task'] as const) {
      for (const [key, value] of Object.entries(config[section])) {
        if (typeof value !== 'number' || key === 'credit_seconds') continue;
        const other = { ...config, [section]: { ...config[section], [key]: value + 1 } };
        await expect(continueRunFolder(path, other)).rejects.toThrow(
          `${section}.${key}: expected ${value}, as in the run to continue, got ${value + 1}`,
        );
      }
    }
    await expect(continueRunFolder(path, { ...config, seed: 1 })).rejects.toThrow(
      'seed: expected 0, as in the run to continue, got 1',
    );
    for (const key of ['task.call_seconds', 'task.on_error', 'objective.credit_seconds']) {
      expect(mayChange(key), key).toBe(true);
    }
    expect(mayChange('task.path') || mayChange('task') || mayChange('model.lora.r')).toBe(false);
  });

  test('has one writer: another is refused with the name of the process, readers are not', async () => {
    const folder = await createRunFolder(join(base, 'run'), config);
    const refusal = /^[^\n]*run: this process is already writing to it$/;
    await expect(continueRunFolder(folder.path, config)).rejects.toThrow(refusal);
    expect((await openRunFolder(folder.path)).config).toEqual(config);
    expect(await folder.readMetrics()).toEqual([]);
    await folder.close();
    const next = await continueRunFolder(folder.path, config);
    // A process that lost the folder stops before its next write.
    await expect(folder.appendMetrics({ phase: 'train', step: 1 })).rejects.toThrow(
      `process ${process.pid} on `,
    );
    await next.folder.appendMetrics({ phase: 'train', step: 1 });
    await next.folder.close();
    expect((await readdir(folder.path)).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'metrics.jsonl',
      'rollouts',
    ]);
  });

  test('cut off before its configuration was written is started again; with anything else in it, it is not', async () => {
    const half = join(base, 'half');
    for (const content of [
      ['config.yaml.123.tmp', 'metrics.jsonl'],
      ['rollouts', 'checkpoints'],
      ['metrics.jsonl'],
    ]) {
      await mkdir(half);
      for (const name of content) {
        if (name.includes('.')) await writeFile(join(half, name), '');
        else await mkdir(join(half, name));
      }
      const folder = await createRunFolder(half, config);
      await folder.close();
      expect((await readdir(half)).sort()).toEqual([
        'checkpoints',
        'config.yaml',
        'metrics.jsonl',
        'rollouts',
      ]);
      await rm(half, { recursive: true });
    }
    const refused: [string, string][] = [
      ['metrics.jsonl', '{"phase":"train","step":1}\n'],
      ['notes.txt', ''],
      ['rollouts', ''],
    ];
    for (const [name, text] of refused) {
      await mkdir(half);
      await writeFile(join(half, name), text);
      await expect(createRunFolder(half, config)).rejects.toThrow(
        `expected an empty folder, got one with files (${name})`,
      );
      expect(await readdir(half)).toEqual([name]);
      await rm(half, { recursive: true });
    }
  });

  test('removed while it is written to is one line, and is not made again', async () => {
    const folder = await createRunFolder(join(base, 'run'), config);
    await rm(folder.path, { recursive: true });
    await expect(folder.appendMetrics({ phase: 'train', step: 1 })).rejects.toThrow(
      /^[^\n]*run: this process stops writing here: writer\.lock is gone: the folder was removed or replaced$/,
    );
    expect(await readdir(base)).toEqual([]);
    await folder.close();
  });

  test('forgets what came after the checkpoint, half-written lines and temporary files included', async () => {
    const folder = await createRunFolder(join(base, 'run'), config);
    await folder.appendMetrics({ phase: 'warmup', step: 30, loss: 2 });
    for (let step = 0; step <= 5; step++) {
      await folder.appendMetrics({ phase: 'train', step, loss: step });
      await folder.writeRollouts(step, [group]);
    }
    await appendFile(folder.metricsFile, '{"phase":"train","step":6,"lo');
    await writeFile(`${folder.rolloutsFile(4)}.77.tmp`, 'half');
    const at = (step: number) => ({
      path: join(folder.checkpoints, checkpointName(step)),
      state: { step, seed: 0, tokens: 0 },
    });
    await folder.rewind(at(3));
    expect((await folder.readMetrics()).map(({ phase, step }) => `${phase} ${step}`)).toEqual([
      'warmup 30',
      'train 0',
      'train 1',
      'train 2',
      'train 3',
    ]);
    expect(await readdir(folder.rollouts)).toHaveLength(4);
    await folder.rewind(at(0));
    expect(await folder.readMetrics()).toEqual([{ phase: 'warmup', step: 30, loss: 2 }]);
    expect(await folder.rolloutSteps()).toEqual([0]);
    await folder.rewind(null);
    expect(await folder.readMetrics()).toEqual([]);
    expect(await folder.rolloutSteps()).toEqual([]);
  });

  test('with a damaged line amid its metrics names the line and changes nothing', async () => {
    const folder = await createRunFolder(join(base, 'run'), config);
    const text = '{"phase":"train","step":1}\n{"phase":"tr\n{"phase":"train","step":3}\n';
    await writeFile(folder.metricsFile, text);
    const state = { step: 1, seed: 0, tokens: 0 };
    await expect(folder.rewind({ path: 'step_000001', state })).rejects.toThrow(
      /metrics\.jsonl:2: expected an object with phase and step, got .*$/,
    );
    expect(await readFile(folder.metricsFile, 'utf8')).toBe(text);
  });

  test('takes no figure that JSON cannot hold', async () => {
    const folder = await createRunFolder(join(base, 'run'), config);
    await expect(folder.appendMetrics({ phase: 'train', step: 7, loss: Number.NaN })).rejects.toThrow(
      'metrics of step 7: loss: expected a finite number, got NaN',
    );
    expect(await readFile(folder.metricsFile, 'utf8')).toBe('');
  });
});
