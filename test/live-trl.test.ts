/**
 * TRL trains a tiny model while the dashboard follows its output folder in a real browser (`npm run test:live`).
 * `npm test` leaves it out; src/dashboard/logs.test.ts replays growing folders instead.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyzeGroup } from '../src/analysis/index.js';
import { type Dashboard, startDashboard } from '../src/dashboard/index.js';
import { readRollouts } from '../src/rollouts/files.js';
import type { Group } from '../src/rollouts/index.js';
import { hasBrowser, launchBrowser } from './browser.js';

const STEPS = 6;
const python = process.env.LAMBDA_GRPO_LIVE ? (process.env.LAMBDA_GRPO_PYTHON ?? 'python3') : null;

describe.skipIf(python === null || !hasBrowser)('a live TRL run', () => {
  let folder: string;
  let dashboard: Dashboard;
  let browser: Browser;
  let trainer: ChildProcess;
  let ended: Promise<number | null>;
  let output = '';
  const faults: unknown[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-live-'));
    dashboard = await startDashboard({
      folder,
      version: '0',
      port: 0,
      report: (error) => faults.push(error),
    });
    browser = await launchBrowser();
    const script = join(import.meta.dirname, '../scripts/python/live_trl.py');
    trainer = spawn(python as string, [script, join(folder, 'run'), String(STEPS), '2'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const listen = (chunk: Buffer) => {
      output += chunk.toString();
    };
    trainer.stdout?.on('data', listen);
    trainer.stderr?.on('data', listen);
    ended = new Promise((done) => trainer.on('exit', done));
  });
  afterAll(async () => {
    trainer?.kill();
    await browser?.close();
    await dashboard?.close();
    await rm(folder, { recursive: true, force: true });
    expect(faults).toEqual([]);
  });

  it('is found when it begins, followed step by step, and its groups are those of analyze', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const trouble: string[] = [];
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    await page.goto(dashboard.address);
    const row = page.locator('.runs tbody tr', { hasText: 'run' });
    await row.waitFor({ timeout: 90_000 }).catch((error) => {
      throw new Error(`${error}\n${output.slice(-2000)}`);
    });
    const step = async () => Number(await row.locator('td').nth(7).textContent());
    const seen = new Set<number>();
    const follow = async (): Promise<number> => {
      const now = await step();
      seen.add(now);
      return now;
    };
    await expect.poll(follow, { timeout: 90_000, interval: 200 }).toBe(STEPS);
    // One after the other, not all at the end.
    expect([...seen]).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.size).toBeGreaterThan(STEPS / 2);
    expect(await row.textContent()).toContain('trl log');
    expect(await row.textContent()).toContain('running');
    expect(await ended).toBe(0);

    // TRL has written checkpoints beside: none of them is taken for a log.
    const files = await readdir(join(folder, 'run'));
    expect(files.filter((name) => name.startsWith('checkpoint-')).length).toBeGreaterThan(0);
    expect(await page.locator('.runs tbody tr').count()).toBe(1);

    const groups: Group[] = [];
    for await (const group of readRollouts(join(folder, 'run'))) if (group.step === STEPS) groups.push(group);
    await row.getByRole('link').click();
    await page.getByText(`Groups of step ${STEPS}`).waitFor({ state: 'attached' });
    expect(await page.locator('.data-table tbody tr').count()).toBe(groups.length);
    const first = groups.find(({ id }) => id === groups[0].id) as Group;
    await page.goto(`${dashboard.address}#/group?run=run&step=${STEPS}&n=0`);
    await page.locator('[role=tree]').waitFor();
    expect(await page.locator('[role=treeitem]').count()).toBe(analyzeGroup(first).tree.nodeCount);
    const shown = await page.locator('.step .number').allTextContents();
    expect(shown.map((text) => Number(text.replace('−', '-')))).toEqual(
      Array.from(analyzeGroup(first).stepAdvantages, (a) => Number(a.toFixed(2)) + 0),
    );
    expect(trouble).toEqual([]);
    await page.close();
  }, 240_000);
});
