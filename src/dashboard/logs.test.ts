/** Logs of other frameworks on the dashboard: found, followed while they are written, with groups and figures. */
import {
  appendFile,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { getJson, openDashboard, until } from '../../test/open-dashboard.js';
import { analyzeGroup, LogGatherer } from '../analysis/index.js';
import { readRollouts } from '../rollouts/files.js';
import type { Group } from '../rollouts/index.js';
import type { GroupDetail, RunDetail, RunDiagnosis, RunList, RunSteps, StepGroups } from './api.js';
import type { Dashboard } from './index.js';

const TRL = join(import.meta.dirname, '../../test/readers/fixtures/trl');
const weights = { rewardWeights: { animals: 1, length: 2 } };
const folders: string[] = [];

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-logs-'));
  folders.push(folder);
  return folder;
}
const runsOf = async (dashboard: Dashboard) => (await getJson<RunList>(dashboard, '/api/runs')).runs;
const at = (run: string, rest = '') => `/api/runs/${encodeURIComponent(run)}${rest}`;
async function groupsOf(source: string | string[], options = {}): Promise<Group[]> {
  const groups: Group[] = [];
  for await (const group of readRollouts(source, options)) groups.push(group);
  return groups;
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** Rows as veRL writes them: three groups of four in each step. */
function verlRows(step: number): object[] {
  return Array.from({ length: 12 }, (_, i) => ({
    input: `user\nWhat is ${Math.floor(i / 4)} + ${step}?\nassistant\n`,
    output: `it is ${(i * 7 + step) % 5} and${i % 2 ? ' so' : ' not'}`,
    score: Number(i % 3 === 0),
    step,
    uid: `${step}-${Math.floor(i / 4)}_${i % 4}_0`,
  }));
}
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('TRL’s output folder', () => {
  it('is followed step by step: groups, trees and figures are those of analyze', async () => {
    const folder = await newFolder();
    const out = join(folder, 'completions');
    await mkdir(out);
    // The other files in the folder are not logs.
    await mkdir(join(folder, 'checkpoint-2'));
    await writeFile(join(folder, 'checkpoint-2', 'trainer_state.json'), '{"log_history": []}');
    await writeFile(join(folder, 'README.md'), 'a card');
    const dashboard = await openDashboard(folder, { logs: { read: weights } });
    expect(await runsOf(dashboard)).toEqual([]);

    const name = folder.split('/').at(-1) as string;
    for (const step of [1, 2, 3]) {
      const file = `completions_0000${step}.parquet`;
      // First half of a file: it is still being written.
      const whole = await readFile(join(TRL, 'plain', file));
      await writeFile(join(out, file), whole.subarray(0, whole.length >> 1));
      await until(
        () => runsOf(dashboard),
        () => true,
        'a look',
      );
      await writeFile(join(out, file), whole);
      const steps = await until(
        () => runsOf(dashboard).then((runs) => runs[0]),
        // Step 2 repeats the rows of step 1, so it is left out.
        (run) => run !== undefined && run.step === (step === 2 ? 1 : step),
        `step ${step}`,
      );
      expect(steps).toMatchObject({ run: name, log: 'trl', state: 'running' });
      expect(steps.problem).toBeUndefined();
    }
    const { rolloutSteps } = await getJson<RunSteps>(dashboard, at(name, '/steps'));
    const groups = (await groupsOf(folder, weights)).filter(({ step }) => (step ?? 0) <= 3);
    expect(rolloutSteps).toEqual([...new Set(groups.map(({ step }) => step))]);

    const gatherer = new LogGatherer();
    for (const group of groups) gatherer.add(group, analyzeGroup(group));
    const figures = gatherer.result().steps;
    const detail = await getJson<RunDetail>(dashboard, at(name));
    expect(detail.metrics.step).toEqual(figures.map(({ step }) => step));
    const column = (
      key: 'reward_mean' | 'path_depth' | 'tokens_saved' | 'zero_variance_share' | 'shared_mass',
    ) => detail.metrics.values[key] as number[];
    figures.forEach(({ figures: f }, i) => {
      expect(column('reward_mean')[i]).toBeCloseTo(f.meanReward, 12);
      expect(column('path_depth')[i]).toBeCloseTo(f.meanPathDepth, 12);
      expect(column('tokens_saved')[i]).toBeCloseTo(f.tokensSaved, 12);
      const mass = f.bySize.reduce((sum, { mass: part }) => sum + part, 0);
      const single = f.bySize.find(({ size }) => size === 1)?.mass ?? 0;
      if (mass > 0) expect(column('shared_mass')[i]).toBeCloseTo(1 - single / mass, 12);
      expect(column('zero_variance_share')[i]).toBeCloseTo(f.zeroVarianceGroups / f.groups, 12);
    });

    const ofStep = groups.filter(({ step }) => step === 3);
    const table = await getJson<StepGroups>(dashboard, at(name, '/steps/3'));
    expect(table.groups.map(({ prompt }) => prompt)).toEqual(ofStep.map(({ prompt }) => prompt.text));
    const whole = await getJson<GroupDetail>(dashboard, at(name, '/steps/3/groups/1'));
    expect(whole.completions.map(({ reward }) => reward)).toEqual(
      ofStep[1].completions.map(({ reward }) => reward),
    );
    expect(whole.completions.map(({ tokens }) => tokens)).toEqual(
      ofStep[1].completions.map(({ tokens }) => Array.from(tokens)),
    );
    expect(Object.values(whole.tokenTexts).join('')).not.toBe('');
  });

  it('several runs below one folder are distinguished by their folders; one whose groups cannot be recovered says why', async () => {
    const folder = await newFolder();
    for (const run of ['plain', 'chat']) {
      await mkdir(join(folder, run, 'completions'), { recursive: true });
      await copyFile(
        join(TRL, run, 'completions_00001.parquet'),
        join(folder, run, 'completions', 'completions_00001.parquet'),
      );
    }
    const dashboard = await openDashboard(folder);
    const runs = await until(
      () => runsOf(dashboard),
      (list) => list.length === 2,
      'two runs',
    );
    expect(runs.map(({ run }) => run).sort()).toEqual(['chat', 'plain']);
    // The log has two rewards, and no weights are given.
    await until(
      async () => {
        const old = new Date(Date.now() - 60_000);
        await utimes(join(folder, 'plain', 'completions', 'completions_00001.parquet'), old, old);
        return (await runsOf(dashboard)).find(({ run }) => run === 'plain')?.problem ?? '';
      },
      (problem) => problem.includes('--reward-weight'),
      'what is wrong',
    );
    const plain = (await runsOf(dashboard)).find(({ run }) => run === 'plain');
    expect(plain?.problem).not.toContain(folder);
    expect(plain?.state).toBe('stopped');
  });
});

describe('veRL’s rollout folder', () => {
  it('files that grow line by line are read to their last whole line', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, '1.jsonl'), lines(verlRows(1)));
    const dashboard = await openDashboard(folder);
    const run = (
      await until(
        () => runsOf(dashboard),
        ([first]) => first?.step === 1,
        'step 1',
      )
    )[0].run;
    const text = lines(verlRows(2));
    const file = join(folder, '2.jsonl');
    // A step that is being written: two groups and a half, the last line cut off.
    const cut = text.split('\n').slice(0, 9).join('\n').length + 20;
    await writeFile(file, text.slice(0, cut));
    await until(
      () => getJson<RunSteps>(dashboard, at(run, '/steps')),
      (s) => s.rolloutSteps.length === 2,
      'step 2',
    );
    await appendFile(file, text.slice(cut));
    const step = await until(
      () => getJson<StepGroups>(dashboard, at(run, '/steps/2')),
      ({ groups }) => groups.length === 3 && groups.every(({ completions }) => completions === 4),
      'the whole step',
    );
    // The users' questions, without the common text around them.
    expect(step.groups.map(({ prompt }) => prompt)).toEqual([0, 1, 2].map((n) => `What is ${n} + 2?`));
    const wanted = await groupsOf(file);
    const shown = await getJson<GroupDetail>(dashboard, at(run, '/steps/2/groups/2'));
    expect(shown.completions.map(({ reward }) => reward)).toEqual(
      wanted[2].completions.map(({ reward }) => reward),
    );
  });
});

describe('what is told in two files', () => {
  const PRIME = join(import.meta.dirname, '../../test/readers/fixtures/prime-rl-stream/monitors/file/traces');
  const TINKER = join(import.meta.dirname, '../../test/readers/fixtures/tinker');
  const trainerOf = async (dashboard: Dashboard) => {
    const [run] = await runsOf(dashboard);
    return run && (await getJson<RunDiagnosis>(dashboard, at(run.run, '/diagnosis')));
  };

  for (const order of [
    ['stream', 'annotations'],
    ['annotations', 'stream'],
  ]) {
    it(`prime-rl’s annotations are read with the stream: ${order.join(' before ')}`, async () => {
      const folder = await newFolder();
      const traces = join(folder, 'monitors', 'file', 'traces');
      const dashboard = await openDashboard(folder);
      await mkdir(traces, { recursive: true });
      await cp(join(PRIME, order[0]), join(traces, order[0]), { recursive: true });
      if (order[0] === 'stream') {
        const bare = await until(
          () => trainerOf(dashboard),
          (d) => d?.figures.groups === 2,
          'the stream',
        );
        expect(bare?.figures.trainer).toBeNull();
      } else
        await until(
          () => runsOf(dashboard),
          (list) => list.length === 1,
          'the annotations',
        );
      await cp(join(PRIME, order[1]), join(traces, order[1]), { recursive: true });
      const whole = await until(
        () => trainerOf(dashboard),
        (d) => d?.figures.groups === 2 && d.figures.trainer !== null,
        'the trainer’s values',
      );
      expect(whole).toMatchObject({ read: 4, files: 4, figures: { trainer: { tokens: 6, entropies: 6 } } });
      expect(whole?.problem).toBeUndefined();
    });
  }

  it('Tinker’s samples wait for the summaries of their iteration', async () => {
    const folder = await newFolder();
    const dashboard = await openDashboard(folder);
    await cp(join(TINKER, 'capture'), join(folder, 'capture'), { recursive: true });
    await until(
      () => runsOf(dashboard),
      (list) => list.length === 1,
      'the samples',
    );
    for (const [n, groups] of [
      [0, 2],
      [1, 4],
    ]) {
      const name = `iteration_00000${n}`;
      await cp(join(TINKER, name), join(folder, name), { recursive: true });
      await until(
        () => trainerOf(dashboard),
        (d) => d?.figures.groups === groups,
        `${groups} groups`,
      );
    }
  });
});

describe('one log, and folders with more in them', () => {
  it('a file is opened by its name, with the keys that name its parts', async () => {
    const folder = await newFolder();
    const rows = [0, 1, 0, 1].map((score, i) => ({ q: 'why', a: `so ${i}`, s: score, id: 'g' }));
    await writeFile(join(folder, 'log.jsonl'), lines(rows));
    await writeFile(join(folder, 'other.jsonl'), lines(verlRows(1)));
    await expect(openDashboard(join(folder, 'log.jsonl'))).rejects.toThrow(
      /log\.jsonl: expected a log that analyze reads, got rows of an unknown format/,
    );
    const keys = { prompt: 'q', completion: 'a', reward: 's', group: 'id' };
    const dashboard = await openDashboard(join(folder, 'log.jsonl'), { logs: { read: { keys } } });
    const runs = await until(
      () => runsOf(dashboard),
      ([run]) => run?.reward === 0.5,
      'the log',
    );
    expect(runs).toHaveLength(1);
    const { rolloutSteps } = await getJson<RunSteps>(dashboard, at(runs[0].run, '/steps'));
    // The log names no steps.
    expect(rolloutSteps).toEqual([0]);
    expect((await getJson<StepGroups>(dashboard, at(runs[0].run, '/steps/0'))).groups).toHaveLength(1);
  });

  it('metrics of another framework beside its log make no run of ours; a run that has lost its configuration stays one', async () => {
    const folder = await newFolder();
    for (const [name, record] of [
      ['tinker', { step: 0, 'env/all/reward/total': 0.5 }],
      ['prime', { producer: 'trainer', step: 7, loss: 0.1 }],
    ] as const) {
      await mkdir(join(folder, name, 'deeper'), { recursive: true });
      await writeFile(join(folder, name, 'metrics.jsonl'), `${JSON.stringify(record)}\n`.repeat(3));
      await writeFile(join(folder, name, 'config.yaml'), 'model: theirs\n');
      await writeFile(join(folder, name, 'deeper', '1.jsonl'), lines(verlRows(1)));
    }
    await mkdir(join(folder, 'ours'));
    await writeFile(join(folder, 'ours', 'metrics.jsonl'), '{"phase":"train","step":1,"loss":0.5}\n');
    await mkdir(join(folder, 'begun'));
    await writeFile(join(folder, 'begun', 'metrics.jsonl'), '{"phase":"tr');
    const dashboard = await openDashboard(folder);
    const runs = await until(
      () => runsOf(dashboard),
      (list) => list.filter(({ step }) => step === 1).length === 3,
      'two logs and a run',
    );
    expect(runs.map(({ run, log }) => [run, log])).toEqual(
      expect.arrayContaining([
        ['tinker/deeper', 'verl'],
        ['prime/deeper', 'verl'],
        ['ours', null],
        ['begun', null],
      ]),
    );
    expect(runs).toHaveLength(4);
    // Even if the folder is named directly, it is not a single run.
    const [only] = await until(
      await openDashboard(join(folder, 'tinker')).then((other) => () => runsOf(other)),
      (list) => list.length === 1,
      'its log',
    );
    expect(only).toMatchObject({ run: 'deeper', log: 'verl' });
  });

  it('files that are no logs are left out, and links that lead out are no files', async () => {
    const folder = await newFolder();
    const outside = await newFolder();
    await writeFile(join(outside, '1.jsonl'), lines(verlRows(1)));
    await writeFile(join(folder, 'results.json'), '{"a": 1}');
    await writeFile(join(folder, 'words.jsonl'), '{"word": "x"}\n');
    await writeFile(join(folder, 'empty.jsonl'), '');
    await mkdir(join(folder, 'dump'));
    await symlink(join(outside, '1.jsonl'), join(folder, 'dump', '1.jsonl'));
    const dashboard = await openDashboard(folder);
    expect(await runsOf(dashboard)).toEqual([]);
    // An empty file becomes a log.
    await writeFile(join(folder, 'empty.jsonl'), lines(verlRows(3)));
    const [run] = await until(
      () => runsOf(dashboard),
      (list) => list.length === 1,
      'a log',
    );
    expect(run.log).toBe('verl');
    await rm(join(folder, 'empty.jsonl'));
    await until(
      () => runsOf(dashboard),
      (list) => list.length === 0,
      'it is gone',
    );
  });
});
