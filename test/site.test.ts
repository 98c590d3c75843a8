/**
 * The site, as any static host serves it: built to a folder, under a path of its own, opened in Chromium. What the reader moves
 * changes both trees at once, a link shows the same, and the policies that train in the page are those of Node.js.
 */
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimsOf } from '../web/site/claims.js';
import { SETTINGS } from '../web/site/settings.js';
import { hasBrowser } from './browser.js';
import { expectNodes, type SiteHost, siteHost } from './site.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const STEPS = 20;

describe('the table of claims', () => {
  it('is read with all its rows, bars within cells included; what is no row is an error', async () => {
    const text = await readFile(join(root, 'docs/results/claims.md'), 'utf8');
    const claims = claimsOf(text);
    expect(claims.length).toBe(text.split('\n').filter((line) => line.startsWith('| [')).length);
    expect(claims.map(({ title }) => title)).toContain('The exponent of |λ|^−p');
    expect(claims.every(({ verdict }) => /^(holds|holds in part|does not hold here)$/.test(verdict))).toBe(
      true,
    );
    expect(() => claimsOf('| a | b | c |\n| --- | --- | --- |\n| no link | holds | 1 |')).toThrow('no link');
  });
});

describe.skipIf(!hasBrowser)('the site', () => {
  let host: SiteHost;
  beforeAll(async () => {
    host = await siteHost();
  });
  afterAll(() => host?.close());

  it('the page is under 300 kB, and training in WebAssembly loads less than 16 MB with it', async () => {
    const { page } = await host.opened({ hash: '#steps=1' });
    const bytes = async (): Promise<number> => {
      const paths = await page.evaluate<string[]>(
        "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)",
      );
      const names = [...new Set(paths.map((path) => path.replace('/some/where/', '')))];
      const files = ['index.html', ...names].map((name) => stat(join(host.folder, name)));
      return (await Promise.all(files)).reduce((sum, { size }) => sum + size, 0);
    };
    expect(await bytes()).toBeGreaterThan(50_000);
    expect(await bytes()).toBeLessThan(300_000);
    expect(host.served.some((name) => name.endsWith('.wasm'))).toBe(false);
    const before = host.served.length;
    await page.locator('#training').getByRole('button', { name: 'Train' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    const names = new Set(host.served.slice(before));
    expect([...names].filter((name) => name.endsWith('.wasm'))).toHaveLength(1);
    const sizes = await Promise.all([...names].map((name) => stat(join(host.folder, name))));
    expect((await bytes()) + sizes.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(16e6);
    await page.close();
  });

  it('rewards that are moved change trees, finding and address at once; the link shows the same', async () => {
    const { page, trouble } = await host.opened();
    const finding = page.locator('.finding');
    // By hand: mean 5/12, std 0.3764, so a = 1.55 for JKLM and −1.107 for the two others through JKL, whose mean is −0.2214.
    // Over the tokens J, K, L, M: 3·3·(−0.2214) + 1.55 under GRPO, 3·(−0.2214) + 1.55 under λ-GRPO.
    expect(await finding.textContent()).toBe(
      'Completion 3 is the best (reward 1). Summed over its tokens, GRPO pushes it by −0.44 (pushed down), λ-GRPO by +0.89 (pushed up).',
    );
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
    const copy = await host.opened({ hash: new URL(page.url()).hash });
    expect(await copy.page.locator('.finding').textContent()).toBe(text);
    expect(
      await copy.page.locator('process-tree').first().locator('.step .number').allTextContents(),
    ).toEqual(await numbers());
    expect([...trouble, ...copy.trouble]).toEqual([]);
    await copy.page.close();
    await page.close();
  });

  it('pasted texts become a tree in words; what is no group is said with its line, and the picture stays', async () => {
    const { page, trouble } = await host.opened();
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
    const broken = await host.opened({ hash: '#group=nothing+here' });
    expect(await broken.page.locator('#group .problem').textContent()).toContain(
      'the paper’s example is shown',
    );
    expect(broken.trouble).toEqual([]);
    await broken.page.close();
    await page.close();
  });

  it(`GRPO and λ-GRPO train in workers: ${STEPS} steps are Node’s within 1e-3, and every step can be looked at`, async () => {
    const settings = { ...SETTINGS, seed: '3', steps: String(STEPS) };
    const { page, trouble } = await host.opened({ hash: `#seed=3&steps=${STEPS}` });
    const section = page.locator('#training');
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    await section.getByText(`step 1 of ${STEPS}`).waitFor();
    const first = await section.locator('svg.living-tree').first().getAttribute('aria-label');
    await section.getByRole('button', { name: 'Go on' }).click();
    await page.waitForSelector(`#training[data-taken="${STEPS}"]`);
    await section.getByText(`${STEPS} steps of both in`).waitFor();
    await expectNodes(page, settings);
    // The curve began with one step, and shows all of them.
    await section.locator(`.plot[data-to="${STEPS}"]`).waitFor();
    const slider = section.getByRole('slider');
    await slider.focus();
    await page.keyboard.press('Home');
    await section.getByText(`step 1 of ${STEPS}`).waitFor();
    expect(await section.locator('svg.living-tree').first().getAttribute('aria-label')).toBe(first);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a setting that the configuration refuses is said in its words; the next good one trains', async () => {
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
    const status = section.getByRole('status').first();
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
    expect(await status.textContent()).toMatch(/ended \(20 s without a step\)/);
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
      const { page, trouble } = await host.opened({ hash: '#steps=2', width, scheme });
      await page.getByText('Your own completions').click();
      await page.locator('#training').getByRole('button', { name: 'Train' }).click();
      await page.waitForSelector('#training[data-taken="2"]');
      await page.getByText('The groups that this step sampled').click();
      const moving = () =>
        page.evaluate("getComputedStyle(document.querySelector('.living-tree path')).transitionDuration");
      expect(await moving()).toBe('0.12s');
      await page.emulateMedia({ reducedMotion: 'reduce' });
      expect(await moving()).toBe('0s');
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
    const { origin } = new URL(host.address);
    expect(
      host.asked.filter((url) => !url.startsWith(`${origin}/some/where/`) && !/^(data|blob):/.test(url)),
    ).toEqual([]);
    expect(host.served.some((name) => name.endsWith('.wasm'))).toBe(true);
  });
});
