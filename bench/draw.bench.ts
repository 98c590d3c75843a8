/**
 * The dashboard with much data in a real browser: opening a run of 2,000 steps and 100,000 rollouts, and drawing a
 * group of 64 completions × 2,000 tokens. The page measures the time from the click until the result is visible.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { startDashboard } from '../src/dashboard/index.js';
import { Stream } from '../src/random/stream.js';
import type { Group } from '../src/rollouts/index.js';
import { writeGroups } from '../src/rollouts/own-files.js';
import { formatConfig, RunFolder, resolveConfig } from '../src/train/index.js';
import { hasBrowser, launchBrowser } from '../test/browser.js';
import { isMain, median, printRows, type Row } from './measure.js';
import { syntheticGroup } from './update.bench.js';

const STEPS = 2000;
/** Completions per step: 100,000 rollouts in total. */
const COMPLETIONS = 50;
const ROUNDS = 5;

function group(id: string, step: number, k: number, n: number, seed: number): Group {
  const stream = new Stream(seed, 'draw');
  const texts: Record<number, string> = {};
  for (let id = 0; id < 400; id++) texts[id] = ` w${id}`;
  return {
    id,
    step,
    prompt: { tokens: Int32Array.of(0), text: 'a prompt' },
    completions: syntheticGroup(k, n, 0.4, 400, seed).map((tokens) => ({ tokens, reward: stream.int(2) })),
    tokens: 'exact',
    groups: 'explicit',
    tokenTexts: texts,
  };
}

async function writeRun(folder: string): Promise<void> {
  await mkdir(join(folder, 'rollouts'), { recursive: true });
  const run = new RunFolder(folder);
  const config = resolveConfig({ task: { name: 'arithmetic' }, train: { steps: STEPS } });
  await writeFile(run.configFile, formatConfig(config));
  const lines = Array.from({ length: STEPS }, (_, i) =>
    JSON.stringify({
      phase: 'train',
      step: i + 1,
      loss: 0.1,
      reward_mean: 1 - 1 / (1 + i / 100),
      reward_std: 0.4,
      success_rate: 0.5,
      entropy: 1 / (1 + i),
      grad_norm: 0.5,
      clip_fraction: 0,
      path_depth: 2,
      intermediate_proportion: 0.3,
      flat_share: 0.1,
      zero_variance_share: 0.2,
      tokens: 1600 * (i + 1),
      tokens_saved: 0.6,
      sample_seconds: 0.1,
      update_seconds: 0.1,
    }),
  );
  await writeFile(run.metricsFile, `${lines.join('\n')}\n`);
  for (let step = 1; step <= STEPS; step++) {
    await run.writeRollouts(step, [group(`g${step}`, step, COMPLETIONS, 32, step)]);
  }
  await writeGroups(run.rolloutsFile(STEPS), [group('large', STEPS, 64, 2000, 0)]);
}

/** Milliseconds from navigation until the selector's element has been painted. */
function opening(page: Page, hash: string, selector: string): Promise<number> {
  return page.evaluate(`new Promise((resolve) => {
    const from = performance.now();
    const look = () => {
      const tree = document.querySelector('process-tree')?.shadowRoot;
      if (!tree?.querySelector(${JSON.stringify(selector)})) return requestAnimationFrame(look);
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from)));
    };
    location.hash = ${JSON.stringify(hash)};
    setTimeout(look);
  })`) as Promise<number>;
}

export async function runDrawBench(): Promise<Row[]> {
  if (!hasBrowser) return [];
  const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-draw-'));
  const browser = await launchBrowser();
  try {
    await writeRun(join(folder, 'runs', 'long'));
    const dashboard = await startDashboard({
      folder: join(folder, 'runs'),
      version: '0',
      port: 0,
      report: console.error,
    });
    const first: number[] = [];
    const draws: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      const from = performance.now();
      await page.goto(dashboard.address);
      await page.locator('.curve-legend li').first().waitFor();
      first.push(performance.now() - from);
      draws.push(await opening(page, `#/group?run=long&step=${STEPS}&n=0`, '[role=tree]'));
      await page.close();
    }
    await dashboard.close();
    return [
      {
        what: `a run of ${STEPS} steps and ${STEPS * COMPLETIONS} rollouts opens`,
        ms: Math.round(median(first)),
        bar: 2000,
      },
      {
        what: 'a group of 64 × 2,000 tokens: read, analysed, drawn',
        ms: Math.round(median(draws)),
        bar: 500,
      },
    ];
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) printRows('Dashboard', await runDrawBench());
