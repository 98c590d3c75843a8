/** The README's entry point with a real model, in a fresh clone: downloaded by its name from a local server that speaks the Hub's protocol. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FreshClone } from '../fresh-clone.js';
import { type HubServer, startHub } from '../hub-server.js';

const model = process.env.LAMBDA_GRPO_REAL_MODEL as string;
let clone: FreshClone;
let hub: HubServer;
beforeAll(async () => {
  clone = new FreshClone();
  const files = readdirSync(model).map((name) => [name, readFileSync(join(model, name))] as const);
  hub = await startHub(new Map(files), 'c'.repeat(40), 'HuggingFaceTB/SmolLM2-135M-Instruct');
}, 300_000);
afterAll(async () => {
  await hub.close();
  clone.remove();
});

it('SmolLM2 is downloaded and learns two-digit sums', { timeout: 1_800_000 }, async () => {
  const started = performance.now();
  const printed = await clone.walk('model', { HF_ENDPOINT: hub.url, HF_HUB_CACHE: join(clone.base, 'hub') });
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`, printed.trim().split('\n').at(-2));
  const [, before, after] = /\): ([\d.]+)% .* before, ([\d.]+)% .* after \d+ steps/.exec(printed) ?? [];
  expect(Number(after)).toBeGreaterThan(Number(before) + 10);
});
