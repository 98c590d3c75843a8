/**
 * Time that the server needs to open a long run in the dashboard: 2,000 steps and 100,000 rollouts, from the start of
 * the server until the list and the run are answered, with nothing read before; and the same with 50 such runs. Peer:
 * one pass over the rollouts, as a viewer that computes its figures from them would make. (The browser's part:
 * draw.bench.ts.)
 */
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDashboard } from '../src/dashboard/index.js';
import { type Group, serializeGroup } from '../src/rollouts/index.js';
import { readOwnRollouts } from '../src/rollouts/own-files.js';
import { formatConfig, RunFolder, resolveConfig } from '../src/train/index.js';
import { isMain, median, printRows, type Row } from './measure.js';
import { syntheticGroup } from './update.bench.js';

const STEPS = 2000;
const GROUPS = 5;
const COMPLETIONS = 10;
const LENGTH = 100;
const RUNS = 50;
const ROUNDS = 5;

/** Metrics as a training run writes them: all figures of a step on one line. */
function metrics(): string {
  const figures = {
    loss: -0.02178003080189228,
    reward_mean: 0.3515625,
    reward_std: 0.4779251265778787,
    success_rate: 0.3515625,
    completion_length: 25.51953125,
    stopped_share: 1,
    entropy: 0.13973289205542358,
    grad_norm: 0.4271357228697099,
    clip_fraction: 0,
    path_depth: 2.2890625,
    intermediate_proportion: 0.3999829369435624,
    flat_share: 0.03125,
    zero_variance_share: 0.03125,
    step_tokens: 13066,
    tree_tokens: 3091,
    tokens_saved: 0.7634318077452931,
    learning_rate: 0.0002,
    decoded_tokens: 3175,
    sample_seconds: 0.17472126000000002,
    update_seconds: 0.3060622830000001,
  };
  return Array.from({ length: STEPS }, (_, i) => {
    const evaluated = (i + 1) % 50 === 0 ? { eval_accuracy: 0.355, eval_reward: 0.355 } : {};
    const record = { phase: 'train', step: i + 1, ...figures, tokens: 13066 * (i + 1), ...evaluated };
    return `${JSON.stringify(record)}\n`;
  }).join('');
}

/** The folder of a run. All steps have the same groups, with different names. */
async function writeRun(path: string, seed: number, groups: readonly Group[]): Promise<void> {
  await mkdir(join(path, 'rollouts'), { recursive: true });
  const run = new RunFolder(path);
  await writeFile(
    run.configFile,
    formatConfig(resolveConfig({ seed, task: { name: 'arithmetic' }, train: { steps: STEPS } })),
  );
  await writeFile(run.metricsFile, metrics());
  const lines = groups.map((group) => `${serializeGroup(group)}\n`).join('');
  if (lines !== '') for (let step = 1; step <= STEPS; step++) await writeFile(run.rolloutsFile(step), lines);
}

/** Milliseconds that the work takes. */
async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

async function get(address: string, path: string): Promise<void> {
  const response = await fetch(new URL(path, address));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  await response.text();
}

export async function runDashboardBench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-bench-'));
  try {
    const groups = Array.from({ length: GROUPS }, (_, g): Group => {
      const completions = syntheticGroup(COMPLETIONS, LENGTH, 0.4, 400, g);
      return {
        id: `g${g}`,
        step: null,
        prompt: { tokens: Int32Array.of(0), text: 'a prompt' },
        completions: completions.map((tokens, i) => ({ tokens, reward: i % 2 })),
        tokens: 'exact',
        groups: 'explicit',
      };
    });
    const [oneRun, many] = [join(folder, 'one'), join(folder, 'many')];
    const long = join(oneRun, 'long');
    await writeRun(long, 0, groups);
    for (let i = 0; i < RUNS; i++) await writeRun(join(many, `seed_${i}`), i, []);

    const rows: Row[] = [];
    const add = (what: string, times: readonly number[], bar: number | string = '') =>
      rows.push({ what, ms: median(times).toFixed(median(times) < 10 ? 1 : 0), bar });
    const open = async (runs: string, run: string) => {
      const dashboard = await startDashboard({ folder: runs, version: '0', port: 0, report: console.error });
      try {
        await get(dashboard.address, '/api/runs');
        await get(dashboard.address, `/api/runs/${run}`);
      } finally {
        await dashboard.close();
      }
    };
    const [single, among, table, group, update, peer]: number[][] = [[], [], [], [], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      single.push(await timed(() => open(oneRun, 'long')));
      among.push(await timed(() => open(many, 'seed_7')));
    }
    const dashboard = await startDashboard({ folder: oneRun, version: '0', port: 0, report: console.error });
    await get(dashboard.address, '/api/runs/long');
    const last = (await readFile(join(long, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n').at(-1);
    for (let round = 0; round < ROUNDS; round++) {
      const steps = `/api/runs/long/steps/${STEPS - round}`;
      table.push(await timed(() => get(dashboard.address, steps)));
      group.push(await timed(() => get(dashboard.address, `${steps}/groups/3`)));
      await appendFile(join(long, 'metrics.jsonl'), `${last}\n`);
      update.push(await timed(() => get(dashboard.address, '/api/runs')));
    }
    await dashboard.close();
    peer.push(
      await timed(async () => {
        for (let step = 1; step <= STEPS; step++) {
          for await (const { completions } of readOwnRollouts(new RunFolder(long).rolloutsFile(step))) {
            if (completions.length !== COMPLETIONS) throw new Error('a completion is missing');
          }
        }
      }),
    );
    const rollouts = STEPS * GROUPS * COMPLETIONS;
    add(`a run of ${STEPS} steps and ${rollouts} rollouts opens: server started, list, run`, single, 2000);
    add(`the same among ${RUNS} runs of ${STEPS} steps`, among, 2000);
    add('peer: its rollouts gone through once', peer);
    add(`the table of a step, ${GROUPS} × ${COMPLETIONS} completions`, table);
    add('one of its groups', group);
    add('the list again, with one more step', update);
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) printRows('Dashboard, the server’s part', await runDashboardBench());
