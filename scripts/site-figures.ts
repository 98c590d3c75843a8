/**
 * `npx tsx scripts/site-figures.ts`: opens the built site (`npm run site`) in headless Chromium, measures how long a
 * reader waits for each part, and takes the pictures of its sections (docs/figures/site-*.png). Prints a table for
 * docs/performance.md.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { parse } from 'yaml';
import { generateRollouts } from '../bench/generate-rollouts.js';
import { resolveConfig, withMethod } from '../src/core.js';
import { startSite } from '../src/dashboard/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { startTraining } from '../web/site/training.js';
import { findBrowser } from './browser.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const site = join(root, 'site');
const server = await startSite({ folder: site, port: 0 });
const { address } = server;
const browser = await chromium.launch({
  executablePath: findBrowser(),
  args: ['--no-sandbox', '--disable-gpu'],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, bypassCSP: true });

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

// The text with its pictures, on a taller page.
await page.setViewportSize({ width: 1280, height: 1400 });
await page.evaluate("document.querySelector('#chains-title').scrollIntoView()");
await page.screenshot({ path: join(root, 'docs/figures/site-argument.png') });

const log = page.locator('#log');
await log.getByRole('button', { name: 'Try an example' }).click();
await page.waitForSelector('#log[data-groups]');
await log.locator('button.completion').nth(1).click();
await page.evaluate("document.querySelector('#log').scrollIntoView()");
await page.screenshot({ path: join(root, 'docs/figures/site-log.png') });
/** Seconds that the page takes for a log, and its longest time without a frame. */
async function readLog(file: string): Promise<string> {
  await page.evaluate(
    `delete document.querySelector('#log').dataset.groups; globalThis.longest = 0; let last = performance.now();
    (function frame() { const now = performance.now(); longest = Math.max(longest, now - last); last = now; requestAnimationFrame(frame); })()`,
  );
  const began = performance.now();
  await page.locator('#log-files').setInputFiles(file);
  await page.waitForSelector('#log[data-groups]', { timeout: 300_000 });
  const seconds = (performance.now() - began) / 1000;
  const longest = Number(await page.evaluate('longest'));
  return `${seconds.toFixed(1)} s, longest time without a frame ${(longest / 1000).toFixed(2)} s`;
}
const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-figures-'));
const logs: [string, string][] = [];
for (const [shape, what] of [
  ['own', 'a log of 100 MB: token ids'],
  ['own-logprobs', 'a log of 100 MB: token ids and log-probabilities'],
  ['rows', 'a log of 100 MB: a row for each completion'],
] as const) {
  const file = join(folder, `${shape}.jsonl`);
  await generateRollouts({ file, bytes: 100e6, shape });
  logs.push([what, await readLog(file)]);
  if (shape !== 'rows') continue;
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  logs.push(['the same, packed with gzip (unpacked twice)', await readLog(`${file}.gz`)]);
}
rmSync(folder, { recursive: true });
await page.setViewportSize({ width: 390, height: 844 });
await page.locator('.living-tree').first().scrollIntoViewIfNeeded();
await page.screenshot({ path: join(root, 'docs/figures/site-390.png') });
await browser.close();
await server.close();

// The same steps with onnxruntime-node, one method after the other, on one thread.
const beginning = performance.now();
const recipe = resolveConfig(parse(readFileSync(join(root, 'recipes/binary-tree.yaml'), 'utf8')));
for (const method of ['grpo', 'lambda-grpo'] as const) {
  const training = startTraining(nodeBackend(), withMethod(recipe, method));
  for (let step = 0; step < 250; step++) await training.next();
  await training.dispose();
}
const inNode = performance.now() - beginning;

const files = readdirSync(join(site, 'assets')).map((name) => join(site, 'assets', name));
const training = /(index|rolldown-runtime|worker|sums|ort\.wasm\.bundle\.min|ort-wasm-simd-threaded)-[^/]+$/;
const wasm = files.filter((path) => training.test(path) && !/log-worker/.test(path));
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
  ...logs,
  ['2 × 250 steps by onnxruntime-node, one after the other', `${(inNode / 1000).toFixed(1)} s`],
];
process.stdout.write(
  `${availableParallelism()} cores, load ${loadavg()[0].toFixed(1)}, headless Chromium, isolated page\n\n| what | figure |\n| --- | --- |\n`,
);
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`);
