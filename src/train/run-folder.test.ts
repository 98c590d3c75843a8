import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Group, readOwnRollouts } from '../rollouts/index.js';
import { resolveConfig } from './config-sources.js';
import { createRunFolder, openRunFolder } from './run-folder.js';

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
      /^.*run: a run is here already; choose another folder with --out, or continue it with --resume$/,
    );
    expect(await readFile(configFile, 'utf8')).toBe(before);
    await writeFile(join(base, 'file'), '');
    await expect(createRunFolder(join(base, 'file'), config)).rejects.toThrow(
      /^.*file: cannot be made: [^\n]*--out$/,
    );
    await expect(createRunFolder(base, config)).rejects.toThrow('the folder is not empty (file)');
  });

  test('is continued only under the same configuration, but for steps and checkpoints', async () => {
    const { path } = await createRunFolder(join(base, 'run'), config);
    const longer = { ...config, train: { ...config.train, steps: 999 } };
    expect((await openRunFolder(path, longer)).config).toEqual(longer);
    expect((await openRunFolder(path)).config).toEqual(longer);
    const faster = { ...config, optimizer: { ...config.optimizer, learning_rate: 0.01 } };
    await expect(openRunFolder(path, faster)).rejects.toThrow(
      'optimizer.learning_rate: found 0.01; the run to continue has 0.0003',
    );
    const other = resolveConfig({ task: { name: 'arithmetic' } });
    await expect(openRunFolder(path, other)).rejects.toThrow('task.name: found "arithmetic"');
    await expect(openRunFolder(join(base, 'none'))).rejects.toThrow(
      'none: no such folder; start a run there without',
    );
    await expect(openRunFolder(base)).rejects.toThrow('config.yaml is missing');
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
    await folder.rewind(3);
    expect((await folder.readMetrics()).map(({ phase, step }) => `${phase} ${step}`)).toEqual([
      'warmup 30',
      'train 0',
      'train 1',
      'train 2',
      'train 3',
    ]);
    expect(await readdir(folder.rollouts)).toHaveLength(4);
    await folder.rewind(0);
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
    await expect(folder.rewind(1)).rejects.toThrow(
      /metrics\.jsonl:2: found .*; allowed is an object with phase and step$/,
    );
    expect(await readFile(folder.metricsFile, 'utf8')).toBe(text);
  });

  test('takes no figure that JSON cannot hold', async () => {
    const folder = await createRunFolder(join(base, 'run'), config);
    await expect(folder.appendMetrics({ phase: 'train', step: 7, loss: Number.NaN })).rejects.toThrow(
      'metrics of step 7: loss: found NaN',
    );
    expect(await readFile(folder.metricsFile, 'utf8')).toBe('');
  });
});
