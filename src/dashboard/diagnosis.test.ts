/** The server's diagnosis of a run equals that of `analyze`, for our own rollouts and for logs that grow. */
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJson, openDashboard, until } from '../../test/open-dashboard.js';
import { analyzeGroup, asTrained, runObjective, TreeDiagnosis } from '../analysis/index.js';
import { readRollouts } from '../rollouts/files.js';
import type { Group } from '../rollouts/index.js';
import { readOwnRollouts } from '../rollouts/own-files.js';
import { RunFolder, resolveConfig, run } from '../train/index.js';
import type { RunDiagnosis, RunList } from './api.js';
import type { Dashboard } from './index.js';

const config = resolveConfig({
  task: { name: 'arithmetic', digits: 1, held_out: 5 },
  objective: { kl_beta: 0.1 },
  model: { layers: 1, width: 16, heads: 2 },
  sampling: { group_size: 6, prompts_per_step: 3 },
  train: { steps: 8 },
  evaluation: { every: 0 },
  checkpoint: { every: 4, keep: 2 },
  log: { rollouts_every: 2 },
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-diagnosis-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const diagnosisOf = (dashboard: Dashboard, name: string) =>
  getJson<RunDiagnosis>(dashboard, `/api/runs/${encodeURIComponent(name)}/diagnosis`);
const diagnosed = (dashboard: Dashboard, name: string, is: (diagnosis: RunDiagnosis) => boolean) =>
  until(() => diagnosisOf(dashboard, name), is, `the diagnosis of ${name}`);
const isWhole = ({ read, files }: RunDiagnosis): boolean => files > 0 && read === files;

describe('a run’s own rollouts', () => {
  async function wanted(out: string): Promise<TreeDiagnosis> {
    const place = new RunFolder(out);
    const objective = runObjective(config.objective);
    const diagnosis = new TreeDiagnosis();
    for (const step of await place.rolloutSteps())
      for await (const group of readOwnRollouts(place.rolloutsFile(step)))
        diagnosis.add(group, analyzeGroup(group, { asTrained: asTrained(group, objective) }));
    return diagnosis;
  }

  it('are computed with the run’s settings; a new step is added, a rewritten one counts again', async () => {
    const out = join(folder, 'runs', 'a');
    await run({ config: { ...config, train: { ...config.train, steps: 4 } }, out, threads: 1 });
    const dashboard = await openDashboard(join(folder, 'runs'));
    const first = await diagnosed(dashboard, 'a', isWhole);
    expect(first).toEqual({
      run: 'a',
      read: 2,
      files: 2,
      beta: 0.1,
      figures: JSON.parse(JSON.stringify((await wanted(out)).figures())),
    });
    expect(first.figures).toMatchObject({ groups: 6, completions: 36, steps: { step: [2, 4] } });
    expect(first.figures.klAlone.copies).toBeGreaterThan(0);

    await run({ config, out, threads: 1, resume: true });
    const more = await diagnosed(dashboard, 'a', ({ files, read }) => files === 4 && read === 4);
    expect(more.figures).toEqual(JSON.parse(JSON.stringify((await wanted(out)).figures())));

    // Steps from 5 on are lost and written again with other groups: the metrics were cut, so the old groups no longer
    // count.
    const place = new RunFolder(out);
    const lines = (await readFile(place.metricsFile, 'utf8')).trimEnd().split('\n');
    await writeFile(place.metricsFile, `${lines.slice(0, 6).join('\n')}\n`);
    const step8 = await readFile(place.rolloutsFile(8), 'utf8');
    await writeFile(place.rolloutsFile(8), `${step8.trimEnd().split('\n').slice(0, 1).join('\n')}\n`);
    const again = await diagnosed(dashboard, 'a', (d) => isWhole(d) && d.figures.groups === 10);
    expect(again.figures).toEqual(JSON.parse(JSON.stringify((await wanted(out)).figures())));
  });

  it('a damaged line is named and the rest is read; a run without rollouts has no diagnosis', async () => {
    const runs = join(folder, 'damaged');
    const out = join(runs, 'b');
    await run({ config: { ...config, train: { ...config.train, steps: 2 } }, out, threads: 1 });
    const file = new RunFolder(out).rolloutsFile(2);
    await appendFile(file, '{"id": "half\n');
    const bare = { ...config, log: { ...config.log, rollouts_every: 0 } };
    await run({
      config: { ...bare, train: { ...config.train, steps: 1 } },
      out: join(runs, 'c'),
      threads: 1,
    });
    const dashboard = await openDashboard(runs);
    const { figures, problem } = await diagnosed(dashboard, 'b', isWhole);
    expect(figures.groups).toBe(3);
    expect(problem).toMatch(/^rollouts.step_0*2\.jsonl:4: /);
    expect(await diagnosisOf(dashboard, 'c')).toMatchObject({ read: 0, files: 0, figures: { groups: 0 } });
  });
});

describe('a log of another framework', () => {
  /** Rows as veRL writes them: the first prompt of each step has two ids. */
  const rows = (step: number): object[] =>
    Array.from({ length: 12 }, (_, i) => ({
      input: `user\nWhat is ${Math.floor(i / 8)} + ${step}?\nassistant\n`,
      output: `it is ${(i * 7 + step) % 5} and${i % 2 ? ' so' : ' not'}`,
      score: Number(i % 3 === 0),
      step,
      uid: `${step}-${Math.floor(i / 4)}_${i % 4}_0`,
    }));
  const text = (step: number) =>
    rows(step)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join('');

  it('grows with the log, file by file and within a file, and equals that of analyze', async () => {
    const log = join(folder, 'verl');
    await mkdir(log);
    await writeFile(join(log, '1.jsonl'), text(1));
    const dashboard = await openDashboard(log);
    for (let step = 1; step < 4; step++) {
      if (step > 1) {
        const whole = text(step);
        await writeFile(join(log, `${step}.jsonl`), whole.slice(0, whole.length >> 1));
        await diagnosed(dashboard, 'verl', ({ files }) => files === step);
        await appendFile(join(log, `${step}.jsonl`), whole.slice(whole.length >> 1));
      }
      const { figures, beta } = await diagnosed(
        dashboard,
        'verl',
        (d) => d.figures.completions === 12 * step,
      );
      const diagnosis = new TreeDiagnosis();
      const groups: Group[] = [];
      for await (const group of readRollouts(log)) groups.push(group);
      for (const group of groups) diagnosis.add(group, analyzeGroup(group));
      expect(figures).toEqual(JSON.parse(JSON.stringify(diagnosis.figures())));
      expect(figures.splitPrompts).toMatchObject({ prompts: step, groups: 2 * step });
      expect(figures.steps.step).toEqual(Array.from({ length: step }, (_, i) => i + 1));
      expect(beta).toBeNull();
    }
    const { runs } = await getJson<RunList>(dashboard, '/api/runs');
    expect(runs.map((summary) => summary.run)).toEqual(['verl']);
  });

  it('an id with several prompts is told, with the advantages that a trainer would make of it', async () => {
    const log = join(folder, 'merged');
    await mkdir(log);
    // Over the id: mean ½, standard deviation ½. Within a prompt all rewards are equal: 0.
    const merged = [1, 1, 0, 0].map((reward, i) => ({
      prompt: `p${i >> 1}`,
      group: 'x',
      tokens: [i],
      reward,
    }));
    await writeFile(join(log, 'log.jsonl'), merged.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const { figures } = await diagnosed(await openDashboard(log), 'merged', (d) => d.figures.groups === 2);
    expect(figures.merged).toEqual({
      ids: 1,
      prompts: 2,
      completions: 4,
      shift: expect.closeTo(0.5 / (Math.sqrt(1 / 3) + 1e-4), 9),
      flipped: 0,
    });
  });
});
