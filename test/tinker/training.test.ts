/**
 * Training runs on a server with an exact model: they learn, continue, stop if the sampler is stale, and keep keys
 * secret.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/model/files.js';
import { createTask } from '../../src/task/index.js';
import { checkCapabilities } from '../../src/train/capabilities.js';
import { type MetricsLine, resolveConfig } from '../../src/train/index.js';
import { SamplerWatch } from '../../src/train/sampler-watch.js';
import { TableServer, type TableServerOptions } from './table-server.js';
import { openTable, trainOn, treeConfig } from './training-run.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-tinker-training-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const started: TableServer[] = [];
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
});
async function serve(options: Partial<TableServerOptions> = {}): Promise<TableServer> {
  const server = await new TableServer({ wire: 'json', vocabulary: 6, ...options }).start();
  started.push(server);
  return server;
}

const rewards = (records: readonly MetricsLine[]): number[] =>
  records.flatMap(({ reward_mean: reward }) => (reward === undefined ? [] : [reward]));
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

const LONG = {
  // The reward is whether the path is the target.
  task: { name: 'binary-tree', depth: 2, n: 1, vocabulary: 6, negative_reward: 0, other_reward: 0 },
  sampling: { group_size: 16 },
  train: { steps: 30 },
  checkpoint: { every: 10 },
  optimizer: { learning_rate: 0.15, max_grad_norm: null },
};

describe('the binary tree on a server', () => {
  it.each(['json', 'protobuf'] as const)('is learnt in 30 steps on the %s wire', async (wire) => {
    const server = await serve({ wire });
    const { records, notices } = await trainOn(server, treeConfig(server, LONG));
    expect(notices).toEqual([]);
    const all = rewards(records);
    expect(all).toHaveLength(30);
    expect(mean(all.slice(-5))).toBeGreaterThan(mean(all.slice(0, 5)) + 0.3);
    const last = records[records.length - 1];
    expect(last.sampling_logp_difference_max).toBeLessThan(1e-5);
    expect(last.sent_tokens_saved).toBeGreaterThan(0);
    expect(last).not.toHaveProperty('entropy');
    expect(last).not.toHaveProperty('decoded_tokens');
  });

  it('is the same run after a restart in the middle, with a one-line note', async () => {
    const server = await serve();
    const undisturbed = await trainOn(server, treeConfig(server, LONG));
    server.forget();
    let steps = 0;
    server.fail = (path) => (path === 'optim_step' && ++steps === 16 ? 'restart-before' : 'none');
    const { records, notices } = await trainOn(server, treeConfig(server, LONG));
    expect(records).toEqual(undisturbed.records);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/; the run continues from .*step_000010$/);
  });

  it('is the same run after Ctrl-C at any request', async () => {
    const server = await serve();
    const short = treeConfig(server, { ...LONG, train: { steps: 4 } });
    const undisturbed = await trainOn(server, short);
    const all = server.requests.length;
    for (let at = 12; at < all; at += 7) {
      server.forget();
      const stop = new AbortController();
      let count = 0;
      server.fail = () => {
        if (++count === at) stop.abort(new Error('Ctrl-C'));
        return 'none';
      };
      const { records, endings } = await trainOn(server, short, { signals: [stop.signal] });
      expect(endings.every((line) => line === 'interrupted')).toBe(true);
      expect(records, `request ${at}`).toEqual(undisturbed.records);
    }
  });

  it('with a KL term stays nearer to where it began, also when it is continued', async () => {
    const server = await serve();
    const change = (beta: number) => treeConfig(server, { ...LONG, objective: { kl_beta: beta } });
    const free = await trainOn(server, change(1e-9));
    server.forget();
    const bound = await trainOn(server, change(2));
    server.forget();
    const kl = (records: readonly MetricsLine[]): number =>
      mean(records.slice(-10).map((record) => record.kl as number));
    expect(kl(bound.records)).toBeLessThan(0.2 * kl(free.records));
    let steps = 0;
    server.fail = (path) => (path === 'optim_step' && ++steps === 20 ? 'restart-after' : 'none');
    const again = await trainOn(server, change(2));
    expect(again.notices.length + again.endings.length).toBeGreaterThan(0);
    expect(again.records).toEqual(bound.records);
  });

  it('with two updates a batch clips the second', async () => {
    const server = await serve();
    const changes = { ...LONG, train: { steps: 5 }, objective: { updates_per_batch: 2 } };
    const { records } = await trainOn(
      server,
      treeConfig(server, { ...changes, optimizer: { learning_rate: 0.5, max_grad_norm: null } }),
    );
    expect(Math.max(...records.map(({ clip_fraction: share = 0 }) => share))).toBeGreaterThan(0);
  });
});

describe('sampling ahead', () => {
  const ahead = (server: TableServer, changes = {}) =>
    treeConfig(server, {
      ...LONG,
      engine: { name: 'tinker', url: server.url, base_model: 'table', lora: { rank: 1 }, ahead: 1 },
      ...changes,
    });

  it('learns from samples of the weights before, with their log-probabilities as π_old', async () => {
    const server = await serve({ isolates: true });
    const order: string[] = [];
    server.fail = (path) => {
      order.push(path);
      return 'none';
    };
    const { records } = await trainOn(server, ahead(server), { options: { samplesAhead: true } });
    const all = rewards(records);
    expect(mean(all.slice(-5))).toBeGreaterThan(mean(all.slice(0, 5)) + 0.3);
    // From the second step on the sampler is one update behind.
    expect(records[0].sampling_logp_difference_mean).toBeLessThan(1e-5);
    expect(records[1].sampling_logp_difference_mean).toBeGreaterThan(1e-3);
    // Nothing asks for log-probabilities first, and the next step is sampled before the update is sent.
    const flow = order.slice(order.indexOf('save_weights'));
    expect(flow).not.toContain('forward');
    const sampled = (before: number): number =>
      flow.slice(0, before).filter((path) => path === 'asample').length;
    const updates = flow.flatMap((path, at) => (path === 'optim_step' ? [sampled(at)] : []));
    expect(updates).toEqual(Array.from({ length: 30 }, (_, i) => Math.min(i + 2, 30)));
    // The same again: which weights are sampled is no matter of time.
    server.forget();
    const again = await trainOn(server, ahead(server), { options: { samplesAhead: true } });
    expect(again.records).toEqual(records);
  });

  it('is refused where sampling a snapshot changes what is trained', async () => {
    const server = await serve();
    const config = ahead(server);
    const engine = await openTable(server, config, { samplesAhead: true });
    expect(() => checkCapabilities(config, createTask(config.task, 0), engine)).toThrow(
      'engine.ahead: expected 0 (on this engine, sampling from an older snapshot changes the training) for engine tinker, got 1',
    );
    await engine.dispose();
  });
});

describe('an adapter that does not reach the sampler', () => {
  it('stops the run at the step that shows it', async () => {
    const server = await serve({ stale: true });
    const run = trainOn(server, treeConfig(server, LONG), { lives: 0 });
    await expect(run).rejects.toThrow(
      /^step 2: the sampler does not use the current adapter: its log-probabilities differ from the trainer's by 0\.\d+ nats per token, \S+ in step 1; expected at most 0\.0010 \(engine\.logprob_tolerance\)$/,
    );
  });

  it('is detected by a jump, not by a level', () => {
    const record = (step: number, difference: number): MetricsLine => ({
      phase: 'train',
      step,
      sampling_logp_difference_mean: difference,
    });
    const watch = new SamplerWatch(null, 0, []);
    for (const [step, difference] of [0.02, 0.05, 0.19].entries()) watch.check(step + 1, difference);
    expect(() => watch.check(4, 0.21)).toThrow(
      /^step 4: .* 0\.21 .*, 0\.020 in step 1; expected at most 0\.20/,
    );
    // What a continued run compares with stands in its folder.
    const continued = new SamplerWatch(null, 0, [record(1, 1e-6), record(2, 0.5)]);
    expect(() => continued.check(3, 0.002)).toThrow(/expected at most 0\.0010/);
    // One step ahead the first step has no lag yet.
    const lagging = new SamplerWatch(null, 1, []);
    lagging.check(1, 1e-6);
    lagging.check(2, 0.03);
    lagging.check(3, 0.2);
    expect(() => lagging.check(4, 0.4)).toThrow(/0\.030 in step 2/);
    new SamplerWatch(1, 0, []).check(1, 0.9);
    expect(() => new SamplerWatch(0.5, 0, []).check(1, 0.9)).toThrow(/expected at most 0\.50/);
  });
});

/** A file of a tar archive. */
function tarred(name: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(512);
  header.write(`adapter/${name}`, 0);
  header.write('0000644\0', 100);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('0', 156);
  header.write('ustar\0', 257);
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

describe('the command line', () => {
  const KEY = 'tml-secret-3141592653';
  const cli = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const command = ['--import', 'tsx', 'src/cli/main.ts', ...args];
    const options = { env: { ...process.env, TINKER_API_KEY: KEY, ...env } };
    const result = await promisify(execFile)(process.execPath, command, options).catch(
      (error: { stdout: string; stderr: string; code: number }) => error,
    );
    return { ...result, text: `${result.stdout}${result.stderr}`, code: 'code' in result ? result.code : 0 };
  };
  const file = async (server: TableServer, name: string): Promise<string> => {
    const path = join(folder, `${name}.yaml`);
    const { engine } = treeConfig(server);
    const engineText = JSON.stringify(engine);
    await writeFile(
      path,
      `task: { name: binary-tree, depth: 2, n: 1, vocabulary: 6 }\nengine: ${engineText}\noptimizer: { max_grad_norm: null }\nsampling: { group_size: 4 }\ntrain: { steps: 2 }\n`,
    );
    return path;
  };
  const filesIn = async (path: string): Promise<string[]> => {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  };

  it('trains, continues, exports the adapter with every module named; the key is in no file and no line', async () => {
    const weights = join(folder, 'adapter_model.safetensors');
    const modules = ['model.layers.0.mlp.up_proj', 'model.layers.0.self_attn.q_proj'];
    const tensor = { shape: [1, 2], data: Float32Array.of(1, 2) };
    await writeSafetensors(
      weights,
      new Map(
        modules.flatMap((module) =>
          ['A', 'B'].map((part) => [`base_model.model.${module}.lora_${part}.weight`, tensor] as const),
        ),
      ),
    );
    const content = await readFile(weights);
    const json = Buffer.from(
      JSON.stringify({ peft_type: 'LORA', r: 1, lora_alpha: 32, target_modules: null }),
    );
    const archive = (): Uint8Array =>
      gzipSync(
        Buffer.concat([
          tarred('adapter_config.json', json),
          tarred('adapter_model.safetensors', content),
          Buffer.alloc(1024),
        ]),
      );
    const server = await serve({ archive });
    const out = join(folder, 'run');
    const config = await file(server, 'config');
    const first = await cli(['train', config, '--out', out]);
    expect([first.code, first.text]).toEqual([0, expect.stringContaining('2 steps, reward')]);
    const more = await cli(['train', config, '--out', out, '--resume', '--set', 'train.steps=3']);
    expect(more.text).toContain('3 steps, reward');
    expect([...server.keys]).toEqual([KEY]);

    const exported = await cli(['export', out, join(folder, 'adapter')]);
    expect([exported.code, exported.text]).toEqual([0, expect.stringContaining('after step 3, as F32')]);
    const adapter = JSON.parse(await readFile(join(folder, 'adapter', 'adapter_config.json'), 'utf8'));
    expect(adapter).toMatchObject({
      r: 1,
      lora_alpha: 32,
      base_model_name_or_path: 'table',
      task_type: 'CAUSAL_LM',
    });
    expect(adapter.target_modules).toEqual(modules);
    expect(await readFile(join(folder, 'adapter', 'adapter_model.safetensors'))).toEqual(content);
    const refused = await cli(['export', out, join(folder, 'merged'), '--merged']);
    expect([refused.code, refused.text.trim().split('\n').length]).toEqual([1, 1]);

    const broken = await cli([
      'train',
      config,
      '--out',
      join(folder, 'z'),
      '--set',
      'engine.base_model=chair',
    ]);
    expect(broken.code).toBe(1);
    for (const path of await filesIn(folder)) expect(await readFile(path, 'latin1'), path).not.toContain(KEY);
    for (const { text } of [first, more, exported, refused, broken]) expect(text).not.toContain(KEY);
  }, 120_000);

  it('does not send a key in the clear and does not keep a key from a URL', async () => {
    const server = await serve();
    const config = await file(server, 'clear');
    const clear = await cli([
      'train',
      config,
      '--out',
      join(folder, 'x'),
      '--set',
      'engine.url=http://192.0.2.1:1',
    ]);
    expect(clear.text.trim()).toBe(
      'error: engine.url: expected https with the key of TINKER_API_KEY, got http to another machine; unset TINKER_API_KEY for a server without keys',
    );
    const named = 'engine.url=http://me:hunter2@127.0.0.1:1';
    const stored = await cli(['train', config, '--out', join(folder, 'y'), '--set', named]);
    expect(stored.text.trim()).toBe(
      'error: --set: engine.url: expected a URL without user name, password and query (the key comes from the environment variable TINKER_API_KEY)',
    );
    expect(server.requests).toEqual([]);
  }, 60_000);
});

describe('the section engine', () => {
  const resolve =
    (engine: object, more: object = {}) =>
    () =>
      resolveConfig({ task: { name: 'arithmetic' }, engine, ...more });
  const tinker = { name: 'tinker', url: 'http://127.0.0.1:8000', base_model: 'm' };

  it.each([
    [{ name: 'cloud' }, {}, 'engine.name: expected local or tinker, got "cloud"'],
    [{ name: 'tinker' }, {}, 'engine.url: expected'],
    [{ ...tinker, url: 'chair' }, {}, 'engine.url: expected a URL, as http://127.0.0.1:8000'],
    [{ ...tinker, url: 'ftp://h' }, {}, 'engine.url: expected a URL with http or https'],
    [
      { ...tinker, url: 'https://h?key=1' },
      {},
      'engine.url: expected a URL without user name, password and query',
    ],
    [{ ...tinker, api_key: 'x' }, {}, 'engine.api_key: unknown key'],
    [{ ...tinker, lora: { rank: 0 } }, {}, 'engine.lora.rank: expected a whole number ≥ 1, got 0'],
    [{ ...tinker, ahead: 2 }, {}, 'engine.ahead: expected a whole number ≥ 0, ≤ 1, got 2'],
    [tinker, { model: { path: 'x' } }, 'model.path: expected null with engine tinker'],
    [tinker, { model: { lora: {} } }, 'model.lora: expected null with engine tinker'],
  ])('%j %j is refused', (engine, more, line) => {
    expect(resolve(engine, more)).toThrow(line);
  });
});
