/**
 * The site, as any static host serves it: built to a folder, under a path of its own, opened in Chromium. What the reader moves
 * changes both trees at once, a link shows the same, and the policies that train in the page are those of Node.js.
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeBackend } from '../src/runtime/node.js';
import { configOf } from '../web/site/config.js';
import { SETTINGS, type Settings } from '../web/site/settings.js';
import { type StepRecord, startTraining } from '../web/site/training.js';
import { hasBrowser, launchBrowser } from './browser.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};
const STEPS = 20;

/** What the page's file of all steps says is what Node.js computes. */
async function expectNodes(page: Page, settings: Settings): Promise<void> {
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV of all steps' }).click();
  const text = await readFile(await (await download).path(), 'utf8');
  const [head, ...rows] = text
    .trim()
    .split('\r\n')
    .map((line) => line.split(','));
  expect(head.slice(0, 6)).toEqual(['method', 'step', 'frequency', 'reward', 'loss', 'grad_norm']);
  const recipe = await readFile(join(root, 'recipes/binary-tree.yaml'), 'utf8');
  for (const method of ['grpo', 'lambda-grpo'] as const) {
    const training = startTraining(nodeBackend(), configOf(recipe, settings, method));
    const records: StepRecord[] = [];
    for (let i = 0; i < Number(settings.steps); i++) records.push(await training.next());
    await training.dispose();
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

describe.skipIf(!hasBrowser)('the site', () => {
  let folder: string;
  let server: Server;
  let browser: Browser;
  let address: string;
  const asked: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-site-'));
    await build({
      configFile: join(root, 'web/site/vite.config.ts'),
      logLevel: 'error',
      build: { outDir: folder, emptyOutDir: true },
    });
    server = createServer((request, response) => {
      const path = normalize(new URL(request.url ?? '/', 'http://127.0.0.1').pathname);
      const name = path.replace(/^\/some\/where\//, '') || 'index.html';
      response.setHeader('content-type', TYPES[extname(name)] ?? 'text/plain');
      readFile(join(folder, name)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/where/`;
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function opened(
    hash = '',
    width = 1280,
    scheme: 'light' | 'dark' = 'light',
  ): Promise<{ page: Page; trouble: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme: scheme });
    const trouble: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    await page.goto(`${address}${hash}`);
    await page.locator('process-tree .step').first().waitFor();
    return { page, trouble };
  }

  it('the page is under 300 kB without its training, all files before training starts under 16 MB', async () => {
    const assets = join(folder, 'assets');
    const sizes = await Promise.all(
      (await readdir(assets)).map(async (name) => ({ name, bytes: (await stat(join(assets, name))).size })),
    );
    const page = sizes.filter(({ name }) => name.startsWith('index-'));
    expect(page.length).toBe(2);
    expect(page.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(300_000);
    expect(sizes.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(16e6);
  });

  it('rewards that are moved change trees, finding and address at once; the link shows the same', async () => {
    const { page, trouble } = await opened();
    const finding = page.locator('.finding');
    // JKL is shared by three with mean reward 1/3; std of the six rewards is 0.3436.
    expect(await finding.textContent()).toContain('Completion 3 is the best (reward 1).');
    expect(await finding.textContent()).toMatch(/GRPO pushes it by −\d.* \(pushed down\)/);
    const numbers = () => page.locator('process-tree').first().locator('.step .number').allTextContents();
    const before = await numbers();
    const slider = page.getByRole('slider', { name: 'JKLNQU' });
    await slider.focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowRight');
    expect(await page.locator('.sliders output').nth(4).textContent()).toBe('1');
    expect(await numbers()).not.toEqual(before);
    await page.waitForFunction('location.hash.includes("group=")');
    const text = await finding.textContent();
    expect(text).not.toContain('pushed down');
    const copy = await opened(new URL(page.url()).hash);
    expect(await copy.page.locator('.finding').textContent()).toBe(text);
    expect(
      await copy.page.locator('process-tree').first().locator('.step .number').allTextContents(),
    ).toEqual(await numbers());
    expect([...trouble, ...copy.trouble]).toEqual([]);
    await copy.page.close();
    await page.close();
  });

  it('pasted texts become a tree in words; what is no group is said with its line, and the picture stays', async () => {
    const { page, trouble } = await opened();
    await page.getByText('Your own completions').click();
    await page.locator('select').first().selectOption('words');
    await page.locator('#typed').fill('1 so two and two is four\n0 so two and two is five\n0.25 no idea');
    expect(await page.locator('.sliders label').count()).toBe(3);
    const steps = page.locator('process-tree').first().locator('.step .text');
    expect((await steps.allTextContents()).map((step) => step.trim())).toContain('so two and two is');
    await page.locator('#typed').fill('1 so\nno reward');
    expect(await page.locator('#group .problem').textContent()).toContain('line 2: begins with no reward');
    expect(await steps.count()).toBeGreaterThan(2);
    expect(trouble).toEqual([]);
    const broken = await opened('#group=nothing+here');
    expect(await broken.page.locator('#group .problem').textContent()).toContain(
      'the paper’s example is shown',
    );
    expect(broken.trouble).toEqual([]);
    await broken.page.close();
    await page.close();
  });

  it(`GRPO and λ-GRPO train in workers: ${STEPS} steps are Node’s within 1e-3, and every step can be looked at`, async () => {
    const settings = { ...SETTINGS, seed: '3', steps: String(STEPS) };
    const { page, trouble } = await opened(`#seed=3&steps=${STEPS}`);
    expect(asked.some((url) => url.endsWith('.wasm'))).toBe(false);
    const section = page.locator('#training');
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    await section.getByText(`step 1 of ${STEPS}`).waitFor();
    const first = await section.locator('svg.living-tree').first().getAttribute('aria-label');
    await section.getByRole('button', { name: 'Go on' }).click();
    await page.waitForSelector(`#training[data-taken="${STEPS}"]`);
    await section.getByText(`${STEPS} steps of both in`).waitFor();
    await expectNodes(page, settings);
    const slider = section.getByRole('slider');
    await slider.focus();
    await page.keyboard.press('Home');
    await section.getByText(`step 1 of ${STEPS}`).waitFor();
    expect(await section.locator('svg.living-tree').first().getAttribute('aria-label')).toBe(first);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a setting that the configuration refuses is said in its words; the next good one trains', async () => {
    const { page, trouble } = await opened('#lr=-1&steps=2');
    const section = page.locator('#training');
    await section.getByRole('button', { name: 'Train' }).click();
    await section.getByText(/learning_rate.*-1/).waitFor();
    await section.getByLabel('learning rate').fill('0.01');
    await section.getByRole('button', { name: 'Train' }).click();
    await page.waitForSelector('#training[data-taken="2"]');
    expect(await section.locator('.problem').textContent()).toBe('');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a worker that dies is said and replaced, and its steps are the same', async () => {
    const { page } = await opened('#steps=6');
    const section = page.locator('#training');
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    const worker = page.workers()[0];
    await worker.evaluate('setTimeout(() => { throw new Error("gone") })');
    await section.getByText(/The worker of .*GRPO ended/).waitFor();
    await section.getByRole('button', { name: 'Go on' }).click();
    await page.waitForSelector('#training[data-taken="6"]');
    await expectNodes(page, { ...SETTINGS, steps: '6' });
    await page.close();
  });

  it('no barrier that axe knows, nothing wider than the window, light and dark, at a desk and on a telephone', async () => {
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const [scheme, width] of [
      ['light', 1280],
      ['dark', 390],
    ] as const) {
      const { page, trouble } = await opened('#steps=2', width, scheme);
      await page.getByText('Your own completions').click();
      await page.locator('#training').getByRole('button', { name: 'Train' }).click();
      await page.waitForSelector('#training[data-taken="2"]');
      await page.getByText('The groups that this step sampled').click();
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      await page.evaluate(axe);
      const violations = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))',
      );
      expect(violations, `${scheme} ${width}`).toEqual([]);
      expect(trouble).toEqual([]);
      await page.close();
    }
  });

  it('asks its own server alone', () => {
    const { origin } = new URL(address);
    expect(
      asked.filter((url) => !url.startsWith(`${origin}/some/where/`) && !/^(data|blob):/.test(url)),
    ).toEqual([]);
    expect(asked.some((url) => url.endsWith('.wasm'))).toBe(true);
  });
});
