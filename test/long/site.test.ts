/**
 * Slow tests of the site: WebGPU (on the CPU), several seeds, refused settings, workers that die, another optimizer,
 * use without the host, and 250 steps of both methods. `npm run test:long`.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateRollouts } from '../../bench/generate-rollouts.js';
import { startSite } from '../../src/dashboard/index.js';
import { SETTINGS } from '../../web/site/settings.js';
import { hasBrowser, launchBrowser } from '../browser.js';
import { expectNodes, expectSums, type SiteHost, siteHost, stepsInNode } from '../site.js';

describe.skipIf(!hasBrowser)('the site', () => {
  let host: SiteHost;
  beforeAll(async () => {
    host = await siteHost();
  });
  afterAll(() => host?.close());

  it('250 steps of both methods take at most 30 s', async () => {
    const { page, trouble } = await host.opened();
    const began = performance.now();
    await page.locator('#training').getByRole('button', { name: 'Train' }).click();
    await page.waitForSelector('#training[data-taken="250"]', { timeout: 100_000 });
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('five steps on sums under GRPO: samples and shares are Node’s', async () => {
    const { page, trouble } = await host.opened();
    await expectSums(page, 'grpo', 5);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('an invalid setting shows the error of the configuration; the next valid one trains', async () => {
    const { page, trouble } = await host.opened({ hash: '#lr=-1&steps=2' });
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

  it('a worker that fails, or falls silent, is replaced, and its steps are the same; a tab that slept says so', async () => {
    const { page } = await host.opened({ hash: '#steps=6', clock: true });
    const section = page.locator('#training');
    const status = section.locator('.status').first();
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    await page.workers()[0].evaluate('setTimeout(() => { throw new Error("gone") })');
    await section.getByText(/The worker of .*GRPO ended \(.*gone/).waitFor();
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector('#training[data-taken="2"]');
    // Ends without a word; the page learns of it when there are steps to take.
    await page.workers()[0].evaluate('self.close()');
    await section.getByRole('button', { name: 'Go on' }).click();
    await page.clock.fastForward(60_000);
    expect(await status.textContent()).toMatch(/^The tab slept for (59|60|61) s; training goes on\.$/);
    await page.clock.runFor(25_000);
    expect(await status.textContent()).toMatch(/ended \(20 s without a word\)/);
    await page.waitForSelector('#training[data-taken="6"]');
    await expectNodes(page, { ...SETTINGS, steps: '6' });
    await page.close();
  });

  it('SGD with a clipped gradient on the harder tree: 40 steps are Node’s within 1e-3', async () => {
    const { page, trouble } = await host.opened({
      hash: '#optimizer=sgd&lr=0.3&clip=1&n=2&rneg=-0.5&steps=40',
    });
    await page.locator('#training').getByRole('button', { name: 'Train' }).click();
    await page.waitForSelector('#training[data-taken="40"]');
    await expectNodes(page, {
      ...SETTINGS,
      optimizer: 'sgd',
      lr: '0.3',
      clip: '1',
      n: '2',
      rneg: '-0.5',
      steps: '40',
    });
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('several seeds run one after the other, their distribution is drawn, and a bad number is an error', async () => {
    const { page, trouble } = await host.opened({ hash: '#steps=3&lr=0.01' });
    const section = page.locator('#training');
    await section.getByLabel('seeds').fill('none');
    await section.getByRole('button', { name: 'Run seeds' }).click();
    await section.getByText('expected a whole number from 1 to 50, got none').waitFor();
    await section.getByLabel('seeds').fill('2');
    await section.getByRole('button', { name: 'Run seeds' }).click();
    await section.getByText('mean of n = 2 seeds').waitFor();
    expect(await section.locator('.seeds circle').count()).toBe(4);
    let sum = 0;
    for (const seed of ['0', '1']) {
      const records = await stepsInNode({ ...SETTINGS, steps: '3', lr: '0.01', seed }, 'grpo');
      for (const { frequency } of records) sum += frequency / 6;
    }
    expect(await section.locator('.seeds svg').getAttribute('aria-label')).toContain(
      `GRPO: ${sum.toFixed(2)} [`,
    );
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('on WebGPU, where Chromium offers an adapter, 20 steps are Node’s within 1e-3', {
    timeout: 1_800_000,
  }, async (context) => {
    const accelerated = await launchBrowser({ webgpu: true });
    try {
      const page = await accelerated.newPage();
      const trouble: string[] = [];
      page.on('pageerror', (error) => trouble.push(String(error)));
      await page.goto(`${host.address}#steps=20&by=webgpu`);
      const adapter = await page.evaluate(
        'navigator.gpu ? navigator.gpu.requestAdapter().then((there) => there !== null) : false',
      );
      if (!adapter) return context.skip('Chromium offers no WebGPU adapter here');
      const section = page.locator('#training');
      await section.getByRole('button', { name: 'Train' }).click();
      // Made and compiled by the processor, which takes its time: a step may be slow, but it comes.
      await page.waitForSelector('#training[data-taken="20"]', { timeout: 1_700_000 });
      await section.getByText(/20 steps of both in .* WebGPU/).waitFor();
      await expectNodes(page, { ...SETTINGS, steps: '20' });
      expect(trouble).toEqual([]);
    } finally {
      await accelerated.close();
    }
  });

  it('a log of 100 MB is read in 10 s, and the page answers meanwhile', { timeout: 120_000 }, async () => {
    const file = join(host.folder, 'large.jsonl');
    const { groups } = await generateRollouts({ file, bytes: 100e6, shape: 'rows' });
    const { page, trouble } = await host.opened();
    // The longest time without a frame.
    await page.evaluate(
      `globalThis.longest = 0; let last = performance.now(); (function frame() {
        const now = performance.now(); longest = Math.max(longest, now - last); last = now; requestAnimationFrame(frame); })()`,
    );
    const began = performance.now();
    await page.locator('#log-files').setInputFiles(file);
    await page
      .locator('#log .status')
      .filter({ hasText: /Reading large\.jsonl: \d/ })
      .waitFor();
    await page.waitForSelector(`#log[data-groups="${groups}"]`, { timeout: 60_000 });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(await page.evaluate('longest')).toBeLessThan(1_000);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('files and a folder that are dropped are read as analyze reads the folder', async () => {
    const { page, trouble } = await host.opened();
    const names = ['step_2.jsonl', 'step_10.jsonl', 'config.json'];
    const row = (step: number, reward: number) =>
      JSON.stringify({ prompt: `p${step}`, completion: `so ${reward}`, reward, group: 1, step });
    const texts = [[row(2, 0), row(2, 1)].join('\n'), [row(10, 1), row(10, 3)].join('\n'), '{"no":"log"}'];
    const dropped = (entries: string) => `(() => {
      const texts = ${JSON.stringify(texts)}, names = ${JSON.stringify(names)};
      const files = names.map((name, i) => new File([texts[i]], name));
      const transfer = new DataTransfer();
      for (const file of files) transfer.items.add(file);
      const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer });
      ${entries}
      document.querySelector('#log').dispatchEvent(event);
    })()`;
    // Dropped one by one, a file is read whatever it is called.
    await page.evaluate(dropped(''));
    await page.locator('#log .problem').filter({ hasText: 'config.json: expected a known format' }).waitFor();
    // A folder has entries; what frameworks write beside their logs is passed over.
    await page.evaluate(
      dropped(`
      const entry = (file, i) => ({ isFile: true, name: file.name, fullPath: '/run/' + file.name, file: (take) => take(file) });
      let given = false;
      const folder = { isFile: false, name: 'run', fullPath: '/run', createReader: () => ({
        readEntries: (take) => { take(given ? [] : files.map(entry)); given = true; } }) };
      Object.defineProperty(event, 'dataTransfer', { value: { files: [], items: [{ webkitGetAsEntry: () => folder }] } });`),
    );
    await page.waitForSelector('#log[data-groups="2"]');
    expect(await page.locator('#log .status').textContent()).toContain('2 files: 2 groups');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a worker that dies while it reads a log is said, and the log can be read again', async () => {
    const file = join(host.folder, 'again.jsonl');
    const { groups } = await generateRollouts({ file, bytes: 20e6, shape: 'own' });
    const { page } = await host.opened();
    const log = page.locator('#log');
    const opened = page.waitForEvent('worker');
    await page.locator('#log-files').setInputFiles(file);
    await (await opened).evaluate('setTimeout(() => { throw new Error("gone") })');
    await log
      .locator('.problem')
      .filter({ hasText: /worker that read the log ended \(.*gone/ })
      .waitFor();
    await log.getByRole('button', { name: 'Read again' }).click();
    await page.waitForSelector(`#log[data-groups="${groups}"]`, { timeout: 60_000 });
    expect(await log.locator('.problem').textContent()).toBe('');
    await page.close();
  });

  it('on an isolated page sums are computed on several threads, and are Node’s', async () => {
    const site = await startSite({ folder: host.folder, port: 0 });
    const page = await host.browser.newPage();
    await page.goto(site.address);
    const cores = Number(await page.evaluate('navigator.hardwareConcurrency'));
    await expectSums(page, 'lambda-grpo', 2);
    const threads = cores > 1 ? `on ${Math.min(4, cores)} threads` : 'on one thread';
    expect(await page.locator('#sums .status').textContent()).toContain(threads);
    await page.close();
    await site.close();
  });

  it('opens and trains again without its host, once it has been there', async () => {
    const context = await host.browser.newContext();
    const page = await context.newPage();
    await page.goto(`${host.address}#steps=1`);
    await page.waitForFunction(
      "caches.open('lambda-grpo-site').then((cache) => cache.keys()).then(({ length }) => length >= 3)",
    );
    await page.locator('#training').getByRole('button', { name: 'Train' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    await context.setOffline(true);
    await page.reload();
    await page.locator('process-tree .step').first().waitFor();
    await page.locator('#training').getByRole('button', { name: 'Train' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    await context.close();
  });
});
