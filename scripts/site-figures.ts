/**
 * `npx tsx scripts/site-figures.ts`: the built site (`npm run site`) in headless Chromium. Measures what a reader waits for, and
 * takes the pictures of its sections (docs/figures/site-*.png). Prints a table for docs/performance.md.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { parse } from 'yaml';
import { resolveConfig, withMethod } from '../src/core.js';
import { nodeBackend } from '../src/runtime/node.js';
import { startTraining } from '../web/site/training.js';
import { findBrowser } from './browser.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const site = join(root, 'site');
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url ?? '/', 'http://127.0.0.1').pathname);
  const name = path === '/' ? 'index.html' : path.slice(1);
  try {
    response
      .setHeader('content-type', TYPES[extname(name)] ?? 'text/plain')
      .end(readFileSync(join(site, name)));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const browser = await chromium.launch({
  executablePath: findBrowser(),
  args: ['--no-sandbox', '--disable-gpu'],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });

const opening = performance.now();
await page.goto(address);
await page.locator('process-tree .step').first().waitFor();
const firstTree = performance.now() - opening;
await page.locator('#group').screenshot({ path: join(root, 'docs/figures/site-group.png') });

const asking = performance.now();
await page.locator('#training').getByRole('button', { name: 'Train' }).click();
await page.waitForSelector('#training[data-taken]');
const firstStep = performance.now() - asking;
await page.waitForSelector('#training[data-taken="250"]', { timeout: 300_000 });
const trained = performance.now() - asking;
await page.getByRole('slider', { name: 'Look at step' }).fill('92');
await page.getByText('step 92 of 250').waitFor();
await page.waitForTimeout(300);
await page.locator('#training').screenshot({ path: join(root, 'docs/figures/site-training.png') });
const sums = page.locator('#sums');
await sums.getByRole('button', { name: 'Train on sums' }).click();
const stepsTaken = () => sums.getAttribute('data-taken').then(Number);
await page.waitForSelector('#sums[data-taken]');
const [learning, from] = [performance.now(), await stepsTaken()];
await page.waitForFunction("Number(document.querySelector('#sums').dataset.taken) > 11");
const sumStep = (performance.now() - learning) / ((await stepsTaken()) - from);
await sums.getByRole('button', { name: 'Pause' }).click();
await sums.locator('button.completion').nth(2).click();
await sums.screenshot({ path: join(root, 'docs/figures/site-sums.png') });
await page.setViewportSize({ width: 390, height: 844 });
await page.locator('.living-tree').first().scrollIntoViewIfNeeded();
await page.screenshot({ path: join(root, 'docs/figures/site-390.png') });
await browser.close();
server.close();

// The same steps by onnxruntime-node, one method after the other, a thread.
const beginning = performance.now();
const recipe = resolveConfig(parse(readFileSync(join(root, 'recipes/binary-tree.yaml'), 'utf8')));
for (const method of ['grpo', 'lambda-grpo'] as const) {
  const training = startTraining(nodeBackend(), withMethod(recipe, method));
  for (let step = 0; step < 250; step++) await training.next();
  await training.dispose();
}
const inNode = performance.now() - beginning;

const files = readdirSync(join(site, 'assets')).map((name) => join(site, 'assets', name));
const wasm = files.filter((path) => !/asyncify|webgpu/.test(path));
const kilobytes = (paths: readonly string[], size: (path: string) => number) =>
  `${Math.round(paths.reduce((sum, path) => sum + size(path), 0) / 1000)} kB`;
const ownFiles = files.filter((path) => /index-/.test(path));
const zipped = (path: string) => gzipSync(readFileSync(path)).length;
const rows = [
  ['page', `${kilobytes(ownFiles, (path) => statSync(path).size)}, ${kilobytes(ownFiles, zipped)} gzipped`],
  [
    'with all that trains in WebAssembly',
    `${kilobytes(wasm, (path) => statSync(path).size)}, ${kilobytes(wasm, zipped)} gzipped`,
  ],
  ['cold load to the first tree', `${(firstTree / 1000).toFixed(2)} s`],
  ['from "Train" to the first step of both', `${(firstStep / 1000).toFixed(2)} s`],
  ['from "Train" to step 250 of both', `${(trained / 1000).toFixed(1)} s`],
  ['a step on sums, 16 groups of 16', `${(sumStep / 1000).toFixed(2)} s`],
  ['2 × 250 steps by onnxruntime-node, one after the other', `${(inNode / 1000).toFixed(1)} s`],
];
process.stdout.write(
  `${availableParallelism()} cores, headless Chromium\n\n| what | figure |\n| --- | --- |\n`,
);
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`);
