/** The server's answers about real run folders: finished, broken, and being written. */
import { readFileSync } from 'node:fs';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { analyzeGroup } from '../analysis/index.js';
import { FolderLock } from '../files/index.js';
import type { Group } from '../rollouts/index.js';
import { readOwnRollouts } from '../rollouts/own-files.js';
import { type MetricName, RunFolder, resolveConfig, run } from '../train/index.js';
import type { GroupDetail, RunDetail, RunList, RunSteps, RunUpdate, StepGroups } from './api.js';
import { type Dashboard, startDashboard } from './index.js';

const config = resolveConfig({
  method: 'grpo',
  task: { name: 'arithmetic', digits: 1, held_out: 5 },
  model: { layers: 1, width: 16, heads: 2 },
  warmup: { steps: 2, batch_size: 8 },
  sampling: { group_size: 4, prompts_per_step: 3 },
  train: { steps: 6 },
  evaluation: { every: 3, problems: 5 },
  checkpoint: { every: 2, keep: 2 },
  log: { rollouts_every: 2 },
});

let folder: string;
let server: Dashboard;
const faults: unknown[] = [];
const opened: Dashboard[] = [];

async function start(options: Partial<Parameters<typeof startDashboard>[0]> = {}): Promise<Dashboard> {
  const report = (error: unknown) => faults.push(error);
  const dashboard = await startDashboard({ folder, version: '1.2.3', port: 0, poll: 50, report, ...options });
  opened.push(dashboard);
  return dashboard;
}

async function read<T>(path: string, from = server): Promise<T> {
  const response = await fetch(new URL(path, from.address));
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}
const runPath = (name: string) => `/api/runs/${encodeURIComponent(name)}`;
const detail = (name: string, from = server) => read<RunDetail>(runPath(name), from);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-runs-'));
  await run({ config, out: join(folder, 'grpo', 'seed_0'), threads: 1 });
  await run({ config: { ...config, seed: 1 }, out: join(folder, 'grpo', 'seed_1'), threads: 1 });
  server = await start();
});
afterAll(async () => {
  await Promise.all(opened.map((dashboard) => dashboard.close()));
  await rm(folder, { recursive: true, force: true });
  expect(faults).toEqual([]);
});

describe('a finished run', () => {
  it('is listed with its last figures; runs that differ by their seed are one series', async () => {
    const list = await read<RunList>('/api/runs');
    expect(list).toMatchObject({ folder, version: '1.2.3' });
    const [a, b] = list.runs;
    const last = (await new RunFolder(join(folder, 'grpo', 'seed_0')).readMetrics()).at(-1);
    expect(a).toMatchObject({
      run: 'grpo/seed_0',
      state: 'finished',
      task: 'arithmetic',
      method: 'grpo',
      engine: 'local',
      seed: 0,
      step: 6,
      steps: 6,
      reward: last?.reward_mean,
      success: last?.success_rate,
      accuracy: last?.eval_accuracy,
    });
    expect(a.problem).toBeUndefined();
    expect(Math.abs(Date.now() - a.updated)).toBeLessThan(600_000);
    expect(b).toMatchObject({ run: 'grpo/seed_1', seed: 1, series: a.series });
  });

  it('has every metric of every training step as columns', async () => {
    const records = (await new RunFolder(join(folder, 'grpo', 'seed_0')).readMetrics()).filter(
      ({ phase }) => phase === 'train',
    );
    const run = await detail('grpo/seed_0');
    expect(run.metrics.step).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const [name, column] of Object.entries(run.metrics.values)) {
      expect(column, name).toEqual(records.map((record) => record[name as MetricName] ?? null));
      expect(run.units[name as MetricName]).toHaveLength(2);
    }
    expect(run.metrics.values.kl, 'never taken').toBeUndefined();
    const seconds = records.map((r) => (r.sample_seconds ?? 0) + (r.update_seconds ?? 0));
    expect(run.metrics.time.at(-1)).toBeCloseTo(seconds.reduce((x, y) => x + y, 0));
    expect(run.rolloutSteps).toEqual([2, 4, 6]);
    expect(run.config).toBe(await readFile(join(folder, 'grpo', 'seed_0', 'config.yaml'), 'utf8'));
  });

  it('shows the groups of a step, each as the library sees it, and each whole', async () => {
    const groups: Group[] = [];
    const file = new RunFolder(join(folder, 'grpo', 'seed_0')).rolloutsFile(4);
    for await (const group of readOwnRollouts(file)) groups.push(group);
    const step = await read<StepGroups>(`${runPath('grpo/seed_0')}/steps/4`);
    expect(step).toMatchObject({ run: 'grpo/seed_0', step: 4 });
    expect(step.problem).toBeUndefined();
    expect(step.groups).toHaveLength(3);
    for (const [n, group] of groups.entries()) {
      const { statistics, rewards, zeroVariance, stepFlaw } = analyzeGroup(group);
      expect(step.groups[n]).toMatchObject({
        n,
        id: group.id,
        prompt: group.prompt.text,
        completions: 4,
        tokens: statistics.tokens,
        distinctTokens: statistics.distinctTokens,
        minReward: Math.min(...rewards),
        maxReward: Math.max(...rewards),
        flat: statistics.flat,
        zeroVariance,
        pathDepth: statistics.meanPathDepth,
        flaw: Math.max(...stepFlaw),
      });
      const whole = await read<GroupDetail>(`${runPath('grpo/seed_0')}/steps/4/groups/${n}`);
      expect(whole).toEqual({
        run: 'grpo/seed_0',
        step: 4,
        n,
        id: group.id,
        prompt: group.prompt.text,
        completions: group.completions.map(({ tokens, reward, advantage, stop }) => ({
          tokens: Array.from(tokens),
          reward,
          advantage,
          stop,
        })),
        tokenTexts: JSON.parse(JSON.stringify(group.tokenTexts)),
        judged: {
          advantages: group.completions.map(({ advantage }) => advantage),
          weights: group.completions.map(() => 1),
          text: expect.stringContaining('as this run trained: advantages divided by'),
        },
      });
    }
    const status = async (path: string) => (await fetch(new URL(path, server.address))).status;
    expect(await status(`${runPath('grpo/seed_0')}/steps/4/groups/3`)).toBe(404);
    expect(await status(`${runPath('grpo/seed_0')}/steps/3`)).toBe(404);
    expect(await status(`${runPath('grpo/seed_0')}/steps/x`)).toBe(400);
  });

  it('is shown alone, under its name, when its folder is served', async () => {
    const dashboard = await start({ folder: join(folder, 'grpo', 'seed_1') });
    const { runs } = await read<RunList>('/api/runs', dashboard);
    expect(runs.map((summary) => summary.run)).toEqual(['seed_1']);
    expect((await detail('seed_1', dashboard)).step).toBe(6);
    expect((await fetch(new URL('/api/runs/seed_0', dashboard.address))).status).toBe(404);
  });
});

describe('a run that is broken', () => {
  const copy = async (name: string): Promise<RunFolder> => {
    await cp(join(folder, 'grpo', 'seed_0'), join(folder, 'broken', name), { recursive: true });
    return new RunFolder(join(folder, 'broken', name));
  };

  it('shows what is there, and says what is wrong', async () => {
    await writeFile((await copy('yaml')).configFile, 'task: [');
    await writeFile((await copy('key')).configFile, 'task: { name: chess }');
    await writeFile((await copy('binary')).configFile, Buffer.from([0xff, 0xfe, 0x00]));
    await rm((await copy('no config')).configFile);
    await rm((await copy('no-metrics')).metricsFile);
    const cut = await copy('cut');
    const text = await readFile(cut.metricsFile, 'utf8');
    await writeFile(cut.metricsFile, text.slice(0, -20));
    const damaged = await copy('damaged');
    await writeFile(damaged.metricsFile, text.replace('{"phase":"train","step":3', '\u0000\u0000garbage'));
    const noRollouts = await copy('no-rollouts');
    await rm(noRollouts.rollouts, { recursive: true });
    const odd = await copy('odd');
    await writeFile(
      odd.metricsFile,
      '[]\n{"phase":"train","step":1,"loss":"0","reward_mean":null,"entropy":1e999}\n',
    );

    const { runs } = await read<RunList>('/api/runs');
    const problem = (name: string) => runs.find((summary) => summary.run === `broken/${name}`)?.problem;
    expect(problem('yaml')).toMatch(/^config\.yaml:1: /);
    expect(problem('key')).toMatch(/^config\.yaml:1: task\.name: expected .*, got "chess"/);
    expect(problem('binary')).toBeDefined();
    expect(problem('no config')).toContain('config.yaml is missing');
    expect(problem('no-metrics')).toContain('metrics.jsonl is missing');
    expect(problem('cut')).toBeUndefined();
    expect(problem('damaged')).toMatch(/^metrics\.jsonl:6: expected an object with phase and step, got /);
    expect(problem('no-rollouts')).toBeUndefined();
    expect(problem('odd')).toMatch(/^metrics\.jsonl:1: /);

    for (const name of ['yaml', 'key', 'binary', 'no config']) {
      const run = await detail(`broken/${name}`);
      expect(run.metrics.step, name).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(run).toMatchObject({ method: '', steps: 0, rolloutSteps: [2, 4, 6] });
      expect((await read<StepGroups>(`${runPath(`broken/${name}`)}/steps/2`)).groups).toHaveLength(3);
    }
    expect((await detail('broken/no-metrics')).metrics).toEqual({ step: [], time: [], values: {} });
    expect((await detail('broken/cut')).metrics.step).toEqual([0, 1, 2, 3, 4, 5]);
    expect((await detail('broken/damaged')).metrics.step).toEqual([0, 1, 2, 4, 5, 6]);
    expect((await detail('broken/no-rollouts')).rolloutSteps).toEqual([]);
    expect((await detail('broken/odd')).metrics).toEqual({ step: [1], time: [0], values: {} });
  });

  it('a damaged group is passed over, the others keep their places', async () => {
    const broken = await copy('rollouts');
    const file = broken.rolloutsFile(2);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    await writeFile(file, `${lines[0]}\n\n{"id": 1}\n${lines[2]}\n${lines[1].slice(0, 50)}`);
    await writeFile(broken.rolloutsFile(4), '');
    const path = `${runPath('broken/rollouts')}/steps`;
    const step = await read<StepGroups>(`${path}/2`);
    expect(step.groups.map(({ n, id }) => [n, id])).toEqual([
      [0, JSON.parse(lines[0]).id],
      [1, JSON.parse(lines[2]).id],
    ]);
    expect(step.problem).toMatch(/^rollouts.step_000002\.jsonl:3: /);
    expect((await read<GroupDetail>(`${path}/2/groups/1`)).id).toBe(JSON.parse(lines[2]).id);
    expect(await read<StepGroups>(`${path}/4`)).toMatchObject({ groups: [], problem: /no group/ });
    await writeFile(file, `${lines[1]}\n`);
    expect((await read<GroupDetail>(`${path}/2/groups/0`)).id, 'written anew').toBe(JSON.parse(lines[1]).id);
  });

  it('any name stays a name of the list', async () => {
    for (const name of ['ünï code', '100% [x]', 'a+b&c=d#e?', '%2e%2e', 'q\'"<script>']) {
      await copy(join('names', name));
      expect((await detail(`broken/names/${name}`)).step, name).toBe(6);
    }
  });
});

describe('state', () => {
  it('running while a process holds it, interrupted as soon as none does, finished with all steps', async () => {
    const out = join(folder, 'states');
    await cp(join(folder, 'grpo', 'seed_0'), out, { recursive: true });
    const path = new RunFolder(out);
    const text = await readFile(path.metricsFile, 'utf8');
    const state = async () => (await detail('states')).state;
    await writeFile(path.metricsFile, text.split('\n').slice(0, 6).join('\n').concat('\n'));
    // Written to a moment ago, but no process writes to it now.
    expect(await detail('states')).toMatchObject({ state: 'interrupted', step: 3 });
    const lock = await FolderLock.take(out);
    expect(await state()).toBe('running');
    const before = new Date(Date.now() - 600_000);
    await utimes(path.metricsFile, before, before);
    expect(await state(), 'a step that takes long').toBe('running');
    await lock.release();
    expect(await state()).toBe('interrupted');

    // A killed writer leaves its lock; a writer on another machine touches its lock.
    const holder = { pid: 2 ** 22 - 1, host: 'h', machine: '', started: null, since: '', nonce: 'n' };
    const mine = await FolderLock.take(out);
    const { machine } = JSON.parse(await readFile(join(out, 'writer.lock'), 'utf8')) as { machine: string };
    await mine.release();
    await writeFile(join(out, 'writer.lock'), JSON.stringify({ ...holder, machine }));
    expect(await state(), 'its process is no more').toBe('interrupted');
    await writeFile(join(out, 'writer.lock'), JSON.stringify({ ...holder, machine: 'another' }));
    expect(await state(), 'elsewhere').toBe('running');
    await utimes(join(out, 'writer.lock'), before, before);
    expect(await state(), 'elsewhere, long ago').toBe('interrupted');
    await rm(join(out, 'writer.lock'));

    await writeFile(path.metricsFile, text);
    expect(await detail('states')).toMatchObject({ state: 'finished', step: 6 });
  });

  it('a folder that is copied from elsewhere grows without a lock: running while it does', async () => {
    const out = new RunFolder(join(folder, 'copied'));
    await mkdir(out.rollouts, { recursive: true });
    await cp(join(folder, 'grpo', 'seed_0', 'config.yaml'), out.configFile);
    const lines = (await readFile(join(folder, 'grpo', 'seed_0', 'metrics.jsonl'), 'utf8')).split('\n');
    const states: string[] = [];
    for (const n of [4, 5, 6]) {
      await writeFile(out.metricsFile, `${lines.slice(0, n).join('\n')}\n`);
      states.push((await detail('copied')).state);
    }
    expect(states).toEqual(['interrupted', 'interrupted', 'running']);
    const before = new Date(Date.now() - 60_000);
    for (const file of [out.metricsFile, out.configFile]) await utimes(file, before, before);
    expect((await detail('copied')).state).toBe('interrupted');
  });
});

/** A page that follows the events: those received so far. */
function follow(from: Dashboard) {
  const events: { event: string; data: string }[] = [];
  let text = '';
  const request = httpGet(new URL('/api/events', from.address), (response) => {
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text += part;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
        if (event !== undefined) events.push({ event, data });
      }
    });
  });
  request.on('error', () => undefined);
  return { events, stop: () => request.destroy() };
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect.fail(`did not come: ${what}`);
}

/** Columns of one metric as a page merges them from updates, after fetching the run. */
function followed(
  events: readonly { event: string; data: string }[],
  name: string,
  metric: MetricName,
  before?: RunDetail,
) {
  const step = [...(before?.metrics.step ?? [])];
  const values = [...(before?.metrics.values[metric] ?? step.map(() => null))];
  for (const { event, data } of events) {
    if (event !== 'run') continue;
    const update = JSON.parse(data) as RunUpdate;
    if (update.run !== name) continue;
    expect(update.from).toBeLessThanOrEqual(step.length);
    step.splice(update.from, step.length, ...update.metrics.step);
    const column = update.metrics.values[metric] ?? update.metrics.step.map(() => null);
    values.splice(update.from, values.length, ...column);
  }
  return { step, values };
}

describe('a run that is being written', () => {
  it('appears, grows with every step, and is resumed before the eyes of its watchers', async () => {
    const live = await start();
    const pages = [follow(live), follow(live)];
    await until(() => live.following === 2, 'two pages');
    const out = join(folder, 'live');
    const long = { ...config, train: { ...config.train, steps: 8 } };
    const controller = new AbortController();
    let listed = false;
    await run({
      config: long,
      out,
      threads: 1,
      signal: controller.signal,
      observer: {
        step: ({ step }) => {
          if (step === 5) controller.abort();
        },
      },
    });
    await until(async () => {
      const list = await read<RunList>('/api/runs', live);
      listed ||= pages[0].events.some(({ event }) => event === 'list');
      return listed && list.runs.some(({ run: name, step }) => name === 'live' && step === 5);
    }, 'the run in the list');
    const first = await detail('live', live);
    expect(first, 'at once').toMatchObject({ state: 'interrupted', step: 5, steps: 8 });

    // Interrupted after step 5 with its last checkpoint lost, so the run continues from step 4.
    await rm(join(out, 'checkpoints', 'step_000005'), { recursive: true });
    await run({ config: long, out, resume: true, threads: 1 });
    const last = await detail('live', live);
    expect(last).toMatchObject({ state: 'finished', step: 8 });
    expect(last.metrics.step).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for (const { events, stop } of pages) {
      await until(() => followed(events, 'live', 'loss', first).step.at(-1) === 8, 'the last step');
      expect(followed(events, 'live', 'loss', first)).toEqual({
        step: last.metrics.step,
        values: last.metrics.values.loss,
      });
      stop();
    }
    await until(() => live.following === 0, 'both pages gone');
  });

  it('every line is reported, however slowly it is written; a page gets the same as one that reads the whole file', async () => {
    const out = new RunFolder(join(folder, 'slow'));
    await mkdir(out.rollouts, { recursive: true });
    await cp(join(folder, 'grpo', 'seed_0', 'config.yaml'), out.configFile);
    const lines = (await readFile(join(folder, 'grpo', 'seed_0', 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n');
    await writeFile(out.metricsFile, '');
    const live = await start();
    const page = follow(live);
    await until(() => live.following === 1, 'the page');
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const line of lines) {
      const half = line.length >> 1;
      await appendFile(out.metricsFile, line.slice(0, half));
      await new Promise((resolve) => setTimeout(resolve, 70));
      await appendFile(out.metricsFile, `${line.slice(half)}\n`);
      await new Promise((resolve) => setTimeout(resolve, 70));
    }
    await until(() => followed(page.events, 'slow', 'loss').step.at(-1) === 6, 'the last step');
    const whole = await detail('slow', live);
    for (const metric of ['loss', 'eval_accuracy', 'entropy'] as const) {
      const { step, values } = followed(page.events, 'slow', metric);
      expect(step).toEqual(whole.metrics.step);
      expect(values).toEqual(whole.metrics.values[metric]);
    }
    const updates = page.events.filter(({ data }) => data.includes('"slow"')).length;
    expect(updates, 'one by one, not all at the end').toBeGreaterThan(4);

    // Resumed on another machine, with the same number of records but other figures from step 5 on.
    const others = lines.map((line) => {
      const record = JSON.parse(line);
      return JSON.stringify(record.phase === 'train' && record.step >= 5 ? { ...record, loss: 9 } : record);
    });
    await writeFile(`${out.metricsFile}.tmp`, `${others.join('\n')}\n`);
    await rename(`${out.metricsFile}.tmp`, out.metricsFile);
    const eventCount = page.events.length;
    await until(() => page.events.length > eventCount, 'the other figures');
    const again = await detail('slow', live);
    expect(again.metrics.values.loss?.slice(5)).toEqual([9, 9]);
    expect(followed(page.events, 'slow', 'loss').values).toEqual(again.metrics.values.loss);
    expect((JSON.parse(page.events[eventCount].data) as RunUpdate).from, 'only from there').toBe(5);
    page.stop();
  });

  it('costs what is new: over 2,400 steps no update is larger at the end than at the start, and a page that comes back gets the rest', async () => {
    const out = new RunFolder(join(folder, 'long'));
    await mkdir(out.rollouts, { recursive: true });
    await cp(join(folder, 'grpo', 'seed_0', 'config.yaml'), out.configFile);
    const lines = (await readFile(join(folder, 'grpo', 'seed_0', 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n');
    const record = JSON.parse(lines.at(-1) ?? '');
    const grow = async (from: number, to: number): Promise<void> => {
      const steps = Array.from({ length: to - from }, (_, i) => from + i + 1);
      await Promise.all(steps.map((step) => writeFile(out.rolloutsFile(step), '')));
      await appendFile(
        out.metricsFile,
        steps.map((step) => `${JSON.stringify({ ...record, step })}\n`).join(''),
      );
    };
    await grow(0, 200);
    const live = await start({ poll: 20 });
    const page = follow(live);
    await until(() => live.following === 1, 'the page');
    const before = await detail('long', live);
    expect(before.rolloutSteps).toHaveLength(200);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const sizes: number[] = [];
    for (let step = 200; step < 2400; step += 100) {
      const eventCount = page.events.length;
      await grow(step, step + 100);
      await until(
        () => followed(page.events, 'long', 'loss', before).step.at(-1) === step + 100,
        `step ${step}`,
      );
      // A batch may arrive in several parts, each with its own header.
      const updates = page.events.slice(eventCount).filter(({ data }) => data.includes('"long"'));
      const heads = updates.map(({ data }) =>
        JSON.stringify({ ...JSON.parse(data), metrics: {}, rolloutSteps: [] }),
      );
      const total = (texts: readonly string[]) => texts.reduce((sum, text) => sum + text.length, 0);
      sizes.push(total(updates.map(({ data }) => data)) - total(heads));
    }
    expect(Math.max(...sizes)).toBeLessThan(1.2 * Math.min(...sizes));
    let rollouts = [...before.rolloutSteps];
    for (const { event, data } of page.events) {
      const update = event === 'run' ? (JSON.parse(data) as RunUpdate) : null;
      if (update?.run !== 'long') continue;
      expect(update.rolloutsFrom).toBeLessThanOrEqual(rollouts.length);
      rollouts = [...rollouts.slice(0, update.rolloutsFrom), ...update.rolloutSteps];
    }
    const whole = await detail('long', live);
    expect(rollouts).toEqual(whole.rolloutSteps);
    expect(rollouts).toHaveLength(2400);
    page.stop();

    // A page that was disconnected for ten steps.
    await grow(2400, 2410);
    const since = (position: string) =>
      read<RunDetail>(`${runPath('long')}?after=${encodeURIComponent(position)}`, live);
    const rest = await since(whole.position);
    expect([rest.from, rest.rolloutsFrom]).toEqual([2400, 2400]);
    expect(rest.metrics.step).toEqual(Array.from({ length: 10 }, (_, i) => 2401 + i));
    expect(rest.rolloutSteps).toEqual(rest.metrics.step);
    expect(JSON.stringify(rest).length).toBeLessThan(JSON.stringify(whole).length / 20);
    expect(await since(rest.position)).toMatchObject({ from: 2410, rolloutsFrom: 2410, rolloutSteps: [] });
    // A position is invalid if the run has since lost data before it, or if it never existed.
    const text = await readFile(out.metricsFile, 'utf8');
    await writeFile(out.metricsFile, text.split('\n').slice(0, 1000).join('\n').concat('\n'));
    for (const position of [rest.position, '', 'x', '1.2.3.4', `${rest.position}.9`]) {
      const all = await since(position);
      expect([all.from, all.metrics.step.length], position).toEqual([0, 1000]);
    }
    const steps = await read<RunSteps>(`${runPath('long')}/steps`, live);
    expect(steps).toMatchObject({ run: 'long', step: 1000 });
    expect(steps.rolloutSteps).toHaveLength(2410);
    expect(steps).not.toHaveProperty('metrics');
  });

  it('a read that fails is no reason to stop: the next one goes on, and other runs do not wait', async () => {
    const names = ['fails-1', 'fails-2'];
    for (const name of names)
      await cp(join(folder, 'grpo', 'seed_0'), join(folder, name), { recursive: true });
    const live = await start({ poll: 20 });
    const page = follow(live);
    await until(() => live.following === 1, 'the page');
    await detail(names[0], live);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // The disk fails: for a while, every read and every stat of both files gives an error.
    const probe = await open(join(folder, names[0], 'config.yaml'));
    const handle = Object.getPrototypeOf(probe) as Pick<typeof probe, 'read' | 'stat' | 'readFile'>;
    await probe.close();
    const fault = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    for (const method of ['read', 'stat', 'readFile'] as const) {
      const spy = vi.spyOn(handle, method).mockRejectedValue(fault);
      for (const name of names) {
        const { configFile, metricsFile } = new RunFolder(join(folder, name));
        await appendFile(configFile, '\n');
        const line = readFileSync(metricsFile, 'utf8').trimEnd().split('\n').at(-1);
        await appendFile(metricsFile, `${line}\n`);
      }
      if (method !== 'stat')
        await until(
          async () => /cannot be read|EIO/.test((await detail(names[1], live)).problem ?? ''),
          method,
        );
      await new Promise((resolve) => setTimeout(resolve, 100));
      spy.mockRestore();
      for (const name of names)
        await until(async () => (await detail(name, live)).problem === undefined, `${name} after ${method}`);
    }
    for (const name of names) {
      expect((await detail(name, live)).metrics.step).toEqual([0, 1, 2, 3, 4, 5, 6, 6, 6, 6]);
      await until(() => page.events.some(({ data }) => data.includes(`"${name}"`)), name);
    }
    page.stop();
  });

  it('a folder that comes into being later is watched from the start', async () => {
    const out = join(folder, 'later', 'run');
    const live = await start({ folder: out, singleRun: true });
    expect((await read<RunList>('/api/runs', live)).runs).toEqual([]);
    await run({ config: { ...config, train: { ...config.train, steps: 2 } }, out, threads: 1 });
    expect((await read<RunList>('/api/runs', live)).runs).toMatchObject([{ run: 'run', step: 2 }]);
  });

  it('closing the server ends the pages’ connections at once', async () => {
    const live = await start();
    const page = follow(live);
    await until(() => live.following === 1, 'the page');
    const before = performance.now();
    await live.close();
    expect(performance.now() - before).toBeLessThan(1000);
    expect(live.following).toBe(0);
    page.stop();
  });

  it('a HEAD request for the events opens no stream; too many pages get an error', async () => {
    const live = await start();
    const head = await fetch(new URL('/api/events', live.address), { method: 'HEAD' });
    expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(live.following).toBe(0);
    const pages = Array.from({ length: 64 }, () => follow(live));
    await until(() => live.following === 64, '64 pages');
    expect((await fetch(new URL('/api/events', live.address))).status).toBe(503);
    for (const { stop } of pages) stop();
    await until(() => live.following === 0, 'all gone');
  });
});
