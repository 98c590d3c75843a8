/**
 * `lambda-grpo/tree` and `lambda-grpo/objective` in a real browser: the same numbers as in Node.js, and no other file
 * is loaded.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { analyzeGroup } from '../src/analysis/index.js';
import { hasBrowser, launchBrowser } from './browser.js';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

const COMPLETIONS = [[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 6], [7, 8], [7, 8], []];
const REWARDS = [1, 0, 0.5, 1, 0.25, 0];

describe.skipIf(!hasBrowser)('in a browser', () => {
  it('tree and objective give the numbers that they give in Node.js', async () => {
    const server = createServer((request, response) => {
      const path = normalize(new URL(request.url ?? '/', 'http://127.0.0.1').pathname);
      if (path === '/') {
        response.setHeader('content-type', 'text/html').end('<!doctype html><link rel="icon" href="data:,">');
        return;
      }
      readFile(join(dist, path)).then(
        (text) => response.setHeader('content-type', 'text/javascript').end(text),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      const requests: string[] = [];
      const trouble: string[] = [];
      page.on('request', (request) => requests.push(new URL(request.url()).pathname));
      page.on('pageerror', (error) => trouble.push(String(error)));
      page.on('console', (message) => trouble.push(message.text()));
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const inBrowser = await page.evaluate(`(async () => {
        const { ProcessTree } = await import('/tree/index.js');
        const o = await import('/objective/index.js');
        const tree = ProcessTree.build(${JSON.stringify(COMPLETIONS)});
        const rewards = ${JSON.stringify(REWARDS)};
        const advantages = o.groupAdvantages(rewards);
        const steps = o.stepAdvantages(tree, advantages);
        return [advantages, o.stepRewards(tree, rewards), steps, o.lambdaWeights(tree), tree.size, tree.parent]
          .map((values) => [...values]);
      })()`);
      const expected = analyzeGroup({
        completions: COMPLETIONS.map((tokens, i) => ({
          tokens: Int32Array.from(tokens),
          reward: REWARDS[i],
        })),
      });
      expect(inBrowser).toEqual(
        [
          expected.advantages,
          expected.stepRewards,
          expected.stepAdvantages,
          expected.lambdaWeights,
          expected.tree.size,
          expected.tree.parent,
        ].map((values) => [...values]),
      );
      expect(trouble).toEqual([]);
      expect(requests.filter((path) => !/^\/(tree|objective)\/[\w/-]+\.js$|^\/$/.test(path))).toEqual([]);
    } finally {
      await browser.close();
      server.close();
    }
  });
});
