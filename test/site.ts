/**
 * Builds the site, serves it under a path with a plain static server, and opens it in Chromium. Tests compare a page's
 * training steps with those of the same module in Node.js.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { expect } from 'vitest';
import { analyzeRead, LogGatherer } from '../src/analysis/index.js';
import { figuresMarkup } from '../src/analysis/report/figures-markup.js';
import { readRollouts } from '../src/rollouts/files.js';
import type { ReadOptions } from '../src/rollouts/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import type { Method } from '../src/train/config.js';
import { viewOfGroup } from '../web/components/group-json.js';
import { configOf } from '../web/site/config.js';
import type { Settings } from '../web/site/settings.js';
import { startSums, sumsConfig } from '../web/site/sums-training.js';
import { type StepRecord, startTraining } from '../web/site/training.js';
import { launchBrowser } from './browser.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

export interface OpenOptions {
  /** What stands behind the address, from `#`. */
  readonly hash?: string;
  readonly width?: number;
  readonly scheme?: 'light' | 'dark';
  /** Time goes on when it is told to, too. */
  readonly clock?: boolean;
}

export interface SiteHost {
  readonly folder: string;
  readonly address: string;
  readonly browser: Browser;
  /** Every address that a page asked for. */
  readonly requests: string[];
  /** Files that the host gave, workers' too. */
  readonly served: string[];
  /** A page with its first tree; `trouble` is all that it says on the console, and its errors. */
  opened(options?: OpenOptions): Promise<{ readonly page: Page; readonly trouble: string[] }>;
  close(): Promise<void>;
}

export async function siteHost(): Promise<SiteHost> {
  const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-site-'));
  await build({
    configFile: join(root, 'web/site/vite.config.ts'),
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true },
  });
  const requests: string[] = [];
  const served: string[] = [];
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://127.0.0.1').pathname);
    const name = path.replace(/^\/some\/where\//, '') || 'index.html';
    response.setHeader('content-type', TYPES[extname(name)] ?? 'text/plain');
    readFile(join(folder, name)).then(
      (bytes) => {
        served.push(name);
        response.end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/where/`;
  const browser = await launchBrowser();
  return {
    folder,
    address,
    browser,
    requests,
    served,
    async opened({ hash = '', width = 1280, scheme = 'light', clock = false } = {}) {
      const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme: scheme });
      if (clock) await page.clock.install();
      const trouble: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      page.on('console', (message) => trouble.push(message.text()));
      page.on('pageerror', (error) => trouble.push(String(error)));
      await page.goto(`${address}${hash}`);
      await page.locator('process-tree .step').first().waitFor();
      return { page, trouble };
    },
    async close() {
      await browser.close();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What axe finds on a page. */
export async function barriersOf(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  return page.evaluate(
    'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))',
  );
}

/** What Node.js finds in a log: the values of all its figures, as the page writes them. */
export async function figuresInNode(path: string, options: ReadOptions = {}): Promise<string[]> {
  const gatherer = new LogGatherer();
  for await (const group of readRollouts(path, options)) gatherer.add(group, analyzeRead(group));
  return [...figuresMarkup(gatherer.result(), []).matchAll(/class="value">(.*?)</g)].map(
    ([, value]) => value,
  );
}

/** The same steps in Node.js. */
export async function stepsInNode(settings: Settings, method: Method): Promise<StepRecord[]> {
  const recipe = await readFile(join(root, 'recipes/binary-tree.yaml'), 'utf8');
  const training = startTraining(nodeBackend(), configOf(recipe, settings, method));
  const records: StepRecord[] = [];
  for (let i = 0; i < Number(settings.steps); i++) records.push(await training.next());
  await training.dispose();
  return records;
}

/** What the page's file of all steps says is what Node.js computes. */
export async function expectNodes(page: Page, settings: Settings): Promise<void> {
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV of all steps' }).click();
  const text = await readFile(await (await download).path(), 'utf8');
  const [head, ...rows] = text
    .trim()
    .split('\r\n')
    .map((line) => line.split(','));
  expect(head.slice(0, 6)).toEqual(['method', 'step', 'frequency', 'reward', 'loss', 'grad_norm']);
  for (const method of ['grpo', 'lambda-grpo'] as const) {
    const records = await stepsInNode(settings, method);
    const shown = rows.filter(([name]) => name === method).map((row) => row.slice(1).map(Number));
    expect(shown.map(([step]) => step)).toEqual(records.map(({ step }) => step));
    records.forEach(({ frequency, loss, gradNorm, logprobs }, i) => {
      const [, share, , ...others] = shown[i];
      expect(share).toBe(frequency);
      [loss, gradNorm, ...logprobs].forEach((value, at) => {
        expect(Math.abs(others[at] - value), `${method}, step ${i + 1}, ${head[at + 4]}`).toBeLessThan(1e-3);
      });
    });
    // A policy that did not move would be equal everywhere.
    const moved = (records.at(-1) as StepRecord).logprobs.map((value, i) =>
      Math.abs(value - records[0].logprobs[i]),
    );
    expect(Math.max(...moved)).toBeGreaterThan(0.01);
  }
}

/** Takes steps on sums in the page, one by one: after each the page shows the samples, and the share, that Node.js computes. */
export async function expectSums(page: Page, method: Method, steps: number): Promise<void> {
  const weights = new Uint8Array(await readFile(join(root, 'web/site/sums.safetensors')));
  const recipe = await readFile(join(root, 'recipes/arithmetic.yaml'), 'utf8');
  const training = await startSums(nodeBackend(), sumsConfig(recipe, method), weights);
  const section = page.locator('#sums');
  await section.getByLabel('trained by').selectOption(method);
  for (let step = 1; step <= steps; step++) {
    const { shown, success } = await training.next();
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector(`#sums[data-taken="${step}"]`);
    await section
      .getByText(`: ${(100 * success).toFixed(0)}% of the samples of step ${step} are right`)
      .waitFor();
    const view = await page.evaluate("document.querySelector('#sums process-tree').view");
    expect(view).toEqual(JSON.parse(JSON.stringify(viewOfGroup({ completions: shown[0].completions }))));
    // Neither all right nor all wrong: there is something to learn.
    expect(success).toBeGreaterThan(0.1);
    expect(success).toBeLessThan(0.9);
  }
  await training.dispose();
}
