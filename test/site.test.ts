/**
 * The site on a static host: built to a folder, served under a path, opened in Chromium. Controls change both trees at
 * once, a link restores the same state, and training in the page gives the same policies as in Node.js.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSite } from '../src/dashboard/index.js';
import { VERDICTS } from '../src/reproduce/experiment.js';
import { claimsOf } from '../web/site/claims.js';
import { SETTINGS } from '../web/site/settings.js';
import { hasBrowser } from './browser.js';
import { barriersOf, expectNodes, expectSums, figuresInNode, type SiteHost, siteHost } from './site.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const STEPS = 20;

describe('the table of claims', () => {
  it('is read with all its rows, bars within cells included; what is no row is an error', async () => {
    const text = await readFile(join(root, 'docs/results/claims.md'), 'utf8');
    const claims = claimsOf(text);
    expect(claims.length).toBe(text.split('\n').filter((line) => line.startsWith('| [')).length);
    expect(claims.map(({ title }) => title)).toContain('The exponent of |λ|^−p');
    for (const { verdict } of claims) expect(VERDICTS).toContain(verdict);
    expect(() => claimsOf('| a | b | c |\n| --- | --- | --- |\n| no link | holds | 1 |')).toThrow('no link');
  });
});

describe('what the text says of the experiments', () => {
  it('is what their results say: another verdict needs another text', async () => {
    const page = await readFile(join(root, 'web/site/index.html'), 'utf8');
    const named = [...page.matchAll(/data-result="([\w-]+)"/g)].map(([, name]) => name);
    const verdicts: Record<string, string> = {
      theorem: 'holds',
      'binary-tree': 'holds in part',
      'scale-control': 'holds',
      reasoning: 'does not hold here',
      'scale-control-reasoning': 'does not hold here',
      'process-rewards': 'holds',
      structure: 'holds in part',
    };
    expect(named).toEqual(Object.keys(verdicts));
    for (const [name, verdict] of Object.entries(verdicts)) {
      const result = JSON.parse(await readFile(join(root, `docs/results/${name}.json`), 'utf8')) as object;
      expect(result, name).toMatchObject({ verdict });
    }
  });
});

describe.skipIf(!hasBrowser)('the site', () => {
  let host: SiteHost;
  beforeAll(async () => {
    host = await siteHost();
  });
  afterAll(() => host?.close());

  it('rewards that are moved change trees, finding and address at once; the link shows the same', async () => {
    const { page, trouble } = await host.opened();
    const finding = page.locator('#group .finding');
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
    expect(await copy.page.locator('#group .finding').textContent()).toBe(text);
    expect(
      await copy.page.locator('process-tree').first().locator('.step .number').allTextContents(),
    ).toEqual(await numbers());
    expect([...trouble, ...copy.trouble]).toEqual([]);
    await copy.page.close();
    await page.close();
  });

  it('pasted texts become a tree of words; an invalid group is an error with its line, and the picture stays', async () => {
    const { page, trouble } = await host.opened();
    await page.getByText('Your own completions').click();
    await page.locator('select').first().selectOption('words');
    await page.locator('#typed').fill('1 so two and two is four\n0 so two and two is five\n0.25 no idea');
    expect(await page.locator('.sliders label').count()).toBe(3);
    const steps = page.locator('process-tree').first().locator('.step .text');
    expect((await steps.allTextContents()).map((step) => step.trim())).toContain('so two and two is');
    await page.locator('#typed').fill('1 so\nno reward');
    expect(await page.locator('#group .problem').textContent()).toContain(
      'line 2: expected a reward at the beginning',
    );
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

  it(`GRPO and λ-GRPO train in workers: ${STEPS} steps are Node’s within 1e-3, every step can be looked at, without a barrier that axe knows`, async () => {
    const settings = { ...SETTINGS, seed: '3', steps: String(STEPS) };
    const { page, trouble } = await host.opened({ hash: `#seed=3&steps=${STEPS}` });
    const bytesOf = async (names: readonly string[]): Promise<number> => {
      const files = [...new Set(names)].map((name) => stat(join(host.folder, name)));
      return (await Promise.all(files)).reduce((sum, { size }) => sum + size, 0);
    };
    // Nothing was trained so far.
    const before = host.served.length;
    expect(host.served.some((name) => name.endsWith('.wasm'))).toBe(false);
    expect(await bytesOf(host.served)).toBeGreaterThan(50_000);
    expect(await bytesOf(host.served), 'bytes of the page').toBeLessThan(300_000);
    const section = page.locator('#training');
    await section.getByRole('button', { name: 'One step' }).click();
    await page.waitForSelector('#training[data-taken="1"]');
    await section.getByText(`step 1 of ${STEPS}`).waitFor();
    expect(host.served.slice(before).filter((name) => name.endsWith('.wasm')).length).toBeGreaterThan(0);
    expect(await bytesOf(host.served), 'bytes before the first step').toBeLessThan(16e6);
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
    await page.getByText('The groups that this step sampled').click();
    await page.getByText('Your own completions').click();
    expect(await barriersOf(page)).toEqual([]);
    const moving = () =>
      page.evaluate("getComputedStyle(document.querySelector('.living-tree path')).transitionDuration");
    expect(await moving()).toBe('0.12s');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    expect(await moving()).toBe('0s');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('sums go on from the warmed-up weights, and their samples are Node’s', async () => {
    const { page, trouble } = await host.opened();
    await expectSums(page, 'lambda-grpo', 1);
    expect(await page.locator('#sums .step').count()).toBeGreaterThan(3);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a log is read in the page: figures, groups and trees are those of analyze, whatever the file', async () => {
    const { page, trouble } = await host.opened();
    const log = page.locator('#log');
    const shown = () => log.locator('.log-figures .value').allTextContents();
    const read = async (file: string): Promise<string[]> => {
      await page.evaluate("delete document.querySelector('#log').dataset.groups");
      await page.locator('#log-files').setInputFiles(file);
      await page.waitForSelector('#log[data-groups]');
      return shown();
    };
    const example = join(root, 'web/site/example.jsonl');
    await log.getByRole('button', { name: 'Try an example' }).click();
    await page.waitForSelector('#log[data-groups="48"]');
    const figures = await figuresInNode(example);
    expect(figures.length).toBeGreaterThan(10);
    expect(await shown()).toEqual(figures);
    expect(await log.locator('tbody tr').count()).toBe(48);
    expect(await log.locator('process-tree .step').count()).toBeGreaterThan(3);
    await log.locator('tbody .open').nth(3).click();
    await log.locator('button.completion').nth(1).click();
    expect(await log.locator('process-tree .reading').textContent()).toContain('\\boxed{');
    expect(await barriersOf(page)).toEqual([]);
    // By the keyboard: the field of files takes the focus, and shows it.
    await page.bringToFront();
    await log.getByLabel('Choose files').focus();
    const chooser = page.waitForEvent('filechooser');
    await page.keyboard.press('Space');
    await chooser;

    const packed = join(host.folder, 'rows.jsonl.gz');
    const rows = Array.from({ length: 40 }, (_, i) => ({
      prompt: `<b>${i >> 2}</b>`,
      completion: `so ${i % 4 < 2 ? 'three' : 'four'} and ${i % 4}`,
      reward: i % 3,
      group: i >> 2,
    }));
    const lines = rows.map((row) => JSON.stringify(row));
    await writeFile(packed, gzipSync(lines.join('\n')));
    expect(await read(packed)).toEqual(await figuresInNode(packed));
    expect(await log.locator('tbody').textContent()).toContain('<b>');

    await page.getByText('How it is read').click();
    await page.getByLabel('reward weights').fill('animals=1 length=2');
    const parquet = join(root, 'test/readers/fixtures/trl/plain/completions_00003.parquet');
    expect(await read(parquet)).toEqual(
      await figuresInNode(parquet, { rewardWeights: { animals: 1, length: 2 } }),
    );

    const broken = join(host.folder, 'broken.jsonl');
    await writeFile(broken, [...lines.slice(0, 8), '{"prompt": 1', ...lines.slice(8)].join('\n'));
    await page.locator('#log-files').setInputFiles(broken);
    const problem = log.locator('.problem');
    await problem.filter({ hasText: 'broken.jsonl:9: is not JSON' }).waitFor();
    expect(await problem.textContent()).not.toContain('\n');
    await page.evaluate("delete document.querySelector('#log').dataset.groups");
    await log.getByRole('button', { name: 'Read without the bad rows' }).click();
    await page.waitForSelector('#log[data-groups="10"]');
    expect(await log.locator('.status').textContent()).toContain('1 row left out');
    expect(await problem.textContent()).toBe('');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('on a dark telephone nothing is wider than the window, and axe knows no barrier', async () => {
    const { page, trouble } = await host.opened({ width: 390, scheme: 'dark' });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    expect(await barriersOf(page)).toEqual([]);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('lambda-grpo site serves it only to this machine, isolated, so that WebAssembly may use threads', async () => {
    const site = await startSite({ folder: host.folder, port: 0 });
    try {
      const get = (path: string, init?: RequestInit) => fetch(new URL(path, site.address), init);
      const { status, headers } = await get('');
      expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      const wasm = host.served.find((name) => name.endsWith('.wasm')) as string;
      expect((await get(wasm, { method: 'HEAD' })).headers.get('content-type')).toBe('application/wasm');
      expect((await get('../package.json')).status).toBe(404);
      expect((await get('assets/%2e%2e/%2e%2e/secret')).status).toBe(404);
      expect((await get('', { method: 'POST' })).status).toBe(405);
      expect((await get('', { headers: { origin: 'http://elsewhere' } })).status).toBe(403);
      const page = await host.browser.newPage();
      const trouble: string[] = [];
      page.on('console', (message) => trouble.push(message.text()));
      await page.goto(`${site.address}#steps=1`);
      await page.locator('#training').getByRole('button', { name: 'Train' }).click();
      await page.waitForSelector('#training[data-taken="1"]');
      expect(await page.evaluate('crossOriginIsolated')).toBe(true);
      expect(trouble).toEqual([]);
      await page.close();
    } finally {
      await site.close();
    }
    await expect(startSite({ folder: join(host.folder, 'assets') })).rejects.toThrow(
      /^[^\n]+: the site is not built; run npm run site$/,
    );
  });

  it('requests only its own server', () => {
    const { origin } = new URL(host.address);
    expect(
      host.requests.filter((url) => !url.startsWith(`${origin}/some/where/`) && !/^(data|blob):/.test(url)),
    ).toEqual([]);
    expect(host.served.some((name) => name.endsWith('.wasm'))).toBe(true);
  });
});
