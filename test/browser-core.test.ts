/**
 * `lambda-grpo/core` bundled for a browser: training steps of the binary tree in Chromium with onnxruntime-web
 * (WebAssembly) give the same numbers as in Node.js. The same holds for the graphs that WebGPU gets, and for WebGPU
 * itself (one step, because its shaders compile slowly without a graphics card). Needs the output of `npm run build`.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { nodeBackend } from '../src/runtime/node.js';
import { hasBrowser, launchBrowser } from './browser.js';
// @ts-expect-error A module of JavaScript: the browser bundles the very same one.
import { trainingSteps } from './browser-core/steps.mjs';

interface Steps {
  readonly records: readonly {
    readonly tokens: readonly (readonly number[])[][];
    readonly rewards: readonly (readonly number[])[];
    readonly sampledLogprobs: readonly number[];
    readonly logprobs: readonly number[];
    readonly entropies: readonly number[];
    readonly loss: number;
    readonly gradNorm: number;
    readonly kl: number;
    readonly stepAdvantages: readonly number[];
  }[];
  readonly initial: readonly number[];
  readonly weights: readonly number[];
  readonly restored: readonly number[];
  readonly stored: readonly string[];
}

const testFolder = dirname(fileURLToPath(import.meta.url));
const runtime = join(testFolder, '../node_modules/onnxruntime-web/dist');
const STEPS = 4;
const TYPES: Record<string, string> = {
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
};

/** Largest difference between two lists of one length. */
function difference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => {
    const d = Math.abs(value - b[i]);
    return d <= most ? most : d; // NaN stays
  }, 0);
}

function expectEqual(browser: Steps, node: Steps): void {
  browser.records.forEach((record, i) => {
    const other = node.records[i];
    expect(record.tokens).toEqual(other.tokens);
    expect(record.rewards).toEqual(other.rewards);
    expect(record.stepAdvantages).toEqual(other.stepAdvantages);
    for (const name of ['sampledLogprobs', 'logprobs', 'entropies'] as const) {
      expect(difference(record[name], other[name]), `step ${i + 1}: ${name}`).toBeLessThan(1e-4);
    }
    for (const name of ['loss', 'gradNorm', 'kl'] as const) {
      expect(Math.abs(record[name] - other[name]), `step ${i + 1}: ${name}`).toBeLessThan(1e-4);
    }
  });
  expect(browser.records).toHaveLength(node.records.length);
  expect(difference(browser.weights, node.weights)).toBeLessThan(1e-4);
  expect(browser.restored).toEqual(browser.weights);
  expect(browser.stored).toEqual(node.stored);
}

const RUNS: Record<string, Record<string, unknown>> = {
  'the binary tree’s recipe': parse(readFileSync(join(testFolder, '../recipes/binary-tree.yaml'), 'utf8')),
  'λ-GRPO by SGD': { optimizer: { name: 'sgd', learning_rate: 0.3, max_grad_norm: null } },
  'GRPO with KL, clipping, entropy and an adapter': {
    method: 'grpo',
    model: { width: 32, layers: 2, heads: 2, lora: { r: 4, alpha: 8 } },
    objective: { kl_beta: 0.05, updates_per_batch: 2, entropy_bonus: 0.01 },
    optimizer: { name: 'sgd', learning_rate: 0.3, momentum: 0.5, max_grad_norm: 1 },
  },
  'cispo by AdamW': {
    objective: { loss: 'cispo', updates_per_batch: 2 },
    // With the usual 1e-8 a weight whose gradient is rounding alone moves by the learning rate, in either direction.
    optimizer: { name: 'adamw', learning_rate: 0.003, epsilon: 1e-5 },
  },
};

describe.skipIf(!hasBrowser)('lambda-grpo/core in a browser', () => {
  let folder: string;
  let server: Server;
  let browser: Browser;
  let page: Page;
  const trouble: string[] = [];
  const requests: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-core-'));
    await build({
      root: join(testFolder, 'browser-core'),
      configFile: false,
      logLevel: 'error',
      build: {
        outDir: folder,
        emptyOutDir: true,
        target: 'es2022',
        minify: false,
        assetsInlineLimit: 0,
        lib: { entry: 'page.mjs', formats: ['es'], fileName: () => 'page.js' },
      },
    });
    server = createServer((request, response) => {
      const path = normalize(new URL(request.url ?? '/', 'http://127.0.0.1').pathname);
      if (path === '/') {
        const html =
          '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
        response.setHeader('content-type', 'text/html').end(html);
        return;
      }
      const file = path.startsWith('/ort/') ? join(runtime, basename(path)) : join(folder, path);
      response.setHeader('content-type', TYPES[path.split('.').at(-1) ?? ''] ?? 'text/plain');
      readFile(file).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    page.on('console', (message) => trouble.push(message.text()));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('globalThis.steps !== undefined');
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const inBrowser = (backend: string, changes: unknown): Promise<Steps> =>
    page.evaluate(`steps(${JSON.stringify(backend)}, ${JSON.stringify(changes)}, ${STEPS})`);

  for (const [name, changes] of Object.entries(RUNS)) {
    it(`${name}: log-probabilities, loss, gradients' norm and weights are Node's within 1e-4`, async () => {
      const node = (await trainingSteps(nodeBackend(), changes, STEPS)) as Steps;
      // Steps that change nothing would be equal everywhere.
      expect(node.records[STEPS - 1].gradNorm).toBeGreaterThan(1e-3);
      expect(difference(node.weights, node.initial)).toBeGreaterThan(1e-3);
      expectEqual(await inBrowser('wasm', changes), node);
      expectEqual(await inBrowser('webgpu graphs on wasm', changes), node);
    });
  }

  it('on WebGPU itself, where Chromium offers an adapter, a step of the recipe is Node’s within 1e-4', async (context) => {
    const accelerated = await launchBrowser({ webgpu: true });
    try {
      const other = await accelerated.newPage();
      const problems: string[] = [];
      other.on('pageerror', (error) => problems.push(String(error)));
      other.on('console', (message) => problems.push(message.text()));
      await other.goto(page.url());
      await other.waitForFunction('globalThis.gpuSteps !== undefined');
      const adapter = await other.evaluate(
        'navigator.gpu ? navigator.gpu.requestAdapter().then((there) => there !== null) : false',
      );
      if (!adapter) return context.skip('Chromium offers no WebGPU adapter here');
      const changes = {
        ...Object.values(RUNS)[0],
        model: { width: 16, layers: 1, heads: 2 },
      };
      const steps: Steps = await other.evaluate(`gpuSteps(${JSON.stringify(changes)}, 1)`);
      expectEqual(steps, (await trainingSteps(nodeBackend(), changes, 1)) as Steps);
      expect(problems).toEqual([]);
    } finally {
      await accelerated.close();
    }
  });

  it('requests only its own server, without messages', () => {
    const origin = new URL(page.url()).origin;
    expect(requests.filter((url) => !url.startsWith(origin) && !/^(data|blob):/.test(url))).toEqual([]);
    expect(requests.some((url) => url.endsWith('.wasm'))).toBe(true);
    expect(trouble).toEqual([]);
  });
});
