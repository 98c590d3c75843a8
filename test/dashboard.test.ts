/** The dashboard end to end: the real server over real run folders, in a real browser, at desktop and phone width. */

import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyzeGroup, publishedCredit, TreeDiagnosis } from '../src/analysis/index.js';
import { type Dashboard, startDashboard } from '../src/dashboard/index.js';
import { CREDIT_NAMES } from '../src/objective/index.js';
import { serializeGroup } from '../src/rollouts/index.js';
import { readOwnRollouts } from '../src/rollouts/own-files.js';
import { type Config, RunFolder, resolveConfig, run } from '../src/train/index.js';
import { hasBrowser, launchBrowser } from './browser.js';

const SIZES = [
  [1280, 800],
  [390, 844],
] as const;

const config = (changes: Record<string, unknown>): Config =>
  resolveConfig({
    task: { name: 'binary-tree' },
    model: { layers: 2, heads: 2, width: 64 },
    optimizer: { name: 'adamw', learning_rate: 1e-3, epsilon: 1e-3, max_grad_norm: null },
    sampling: { group_size: 16, prompts_per_step: 1 },
    train: { steps: 90 },
    evaluation: { every: 10, problems: 1 },
    ...changes,
  });

describe.skipIf(!hasBrowser)('dashboard', () => {
  let runs: string;
  let browser: Browser;
  let dashboard: Dashboard;
  const faults: unknown[] = [];
  let axe: string;

  beforeAll(async () => {
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    runs = join(await mkdtemp(join(tmpdir(), 'lambda-grpo-dashboard-')), 'runs');
    for (const seed of [0, 1, 2])
      for (const method of ['grpo', 'lambda-grpo'] as const) {
        await run({ config: config({ seed, method }), out: join(runs, method, `seed_${seed}`), threads: 1 });
      }
    const report = (error: unknown) => faults.push(error);
    dashboard = await startDashboard({ folder: runs, version: '0.0.0', port: 0, report });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await dashboard?.close();
    expect(faults).toEqual([]);
    await rm(dirname(runs), { recursive: true, force: true });
  });

  async function opened(hash: string, [width, height]: readonly [number, number] = SIZES[0]) {
    const page = await browser.newPage({ viewport: { width, height } });
    const trouble: string[] = [];
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    page.on(
      'response',
      (answer) => answer.status() >= 400 && trouble.push(`${answer.status()} ${answer.url()}`),
    );
    page.on('request', (request) => {
      if (!request.url().startsWith(dashboard.address)) trouble.push(`asked for ${request.url()}`);
    });
    await page.goto(dashboard.address + hash);
    await page.locator('main h1').waitFor();
    return { page, trouble };
  }

  const group = (n: number, step: number) => `#/group?run=grpo%2Fseed_0&step=${step}&n=${n}`;
  const VIEWS = [
    ['runs', '#/', async (page: Page) => page.locator('.plot canvas').first().waitFor()],
    [
      'groups',
      '#/groups?run=grpo%2Fseed_0',
      async (page: Page) => page.locator('tbody tr').first().waitFor(),
    ],
    ['tree', group(0, 1), async (page: Page) => page.locator('button.completion').first().click()],
    [
      'diagnosis',
      '#/diagnosis',
      async (page: Page) => {
        await page.locator('.sign canvas').first().waitFor();
        await page.getByText(/^Of 540 groups in 540 files\.$/).waitFor();
      },
    ],
    ['configuration', '#/config', async (page: Page) => page.locator('.settings tbody tr').first().waitFor()],
    ['try', '#/try', async (page: Page) => page.locator('button.completion').nth(2).click()],
  ] as const;

  for (const [name, hash, settle] of VIEWS) {
    it(`${name}: no trouble, no barrier that axe knows, fits a desk and a telephone, light and dark`, async () => {
      const { page, trouble } = await opened(hash);
      await settle(page);
      await page.evaluate(axe);
      for (const [width, height] of SIZES)
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.setViewportSize({ width, height });
          await page.emulateMedia({ colorScheme });
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
          const violations = (await page.evaluate(
            `axe.run().then(({ violations }) => violations
              .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).slice(0, 3).join(' ')))`,
          )) as string[];
          expect(violations, `${colorScheme} ${width}`).toEqual([]);
        }
      expect(trouble).toEqual([]);
      await page.close();
    });
  }

  it('runs are listed with their figures; runs that differ only in the seed share one curve', async () => {
    const { page } = await opened('#/');
    const rows = await page.locator('.runs tbody tr').allTextContents();
    expect(rows).toHaveLength(6);
    const metrics = await new RunFolder(join(runs, 'grpo', 'seed_0')).readMetrics();
    const row = rows.find((text) => text.includes('grpo/seed_0') && !text.includes('lambda')) as string;
    expect(row).toContain('finished');
    expect(row).toContain('90 / 90');
    expect(row).toContain(
      String(Number((metrics.at(-1)?.reward_mean ?? Number.NaN).toFixed(4))).replace('-', '−'),
    );
    await expect.poll(() => page.locator('.curve-legend li').count()).toBe(2);
    await page.locator('#bands').uncheck();
    expect(await page.locator('.curve-legend li').count()).toBe(6);
    await page.locator('#axis').selectOption('tokens');
    await page.locator('#smoothing').fill('0.9');
    await page.getByLabel('Show grpo/seed_1', { exact: true }).uncheck();
    expect(await page.locator('.curve-legend li').count()).toBe(5);
    await page.close();
  });

  it('curves are saved as a picture and as a table of the run’s own figures', async () => {
    const { page } = await opened('#/');
    await page.locator('.plot canvas').first().waitFor();
    await expect.poll(() => page.locator('.curve-legend li').count()).toBe(2);
    const saved = async (name: string) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name, exact: true }).click(),
      ]);
      return readFile(await download.path(), 'utf8');
    };
    const csv = (await saved('CSV')).trim().split('\r\n');
    expect(csv[0]).toBe('run,step,tokens,seconds,reward_mean');
    const metrics = await new RunFolder(join(runs, 'lambda-grpo', 'seed_1')).readMetrics();
    const csvRows = csv
      .filter((line) => line.startsWith('lambda-grpo/seed_1,'))
      .map((line) => Number(line.split(',')[4]));
    expect(csvRows).toEqual(
      metrics.flatMap(({ phase, reward_mean }) => (phase === 'train' ? (reward_mean ?? []) : [])),
    );
    expect(await saved('SVG')).toMatch(/^<svg [\s\S]*<polyline/);
    await page.close();
  });

  it('differences between the chosen runs are listed by key, and the choice is kept between pages', async () => {
    const { page, trouble } = await opened('#/config');
    const rows = async () =>
      page
        .locator('.settings tbody tr')
        .evaluateAll((all) =>
          all.map((row) =>
            Array.from(row.children as Iterable<{ textContent: string }>, (cell) => cell.textContent),
          ),
        );
    await page.locator('.settings tbody tr').first().waitFor();
    const keys = (await rows()).map(([key]) => key);
    expect(keys).toEqual(['seed', 'method', 'objective.lambda_exponent']);
    for (const name of ['grpo/seed_1', 'grpo/seed_2', 'lambda-grpo/seed_1', 'lambda-grpo/seed_2'])
      await page.getByLabel(name, { exact: true }).uncheck();
    await expect.poll(rows).toEqual([
      ['method', ...(await methodsOf(page))],
      ['objective.lambda_exponent', ...(await methodsOf(page)).map((m) => (m === 'grpo' ? '0' : '1'))],
    ]);
    await page.getByText('config.yaml of grpo/seed_0', { exact: true }).click();
    const yaml = await page.locator('details[open] pre').textContent();
    expect(yaml).toBe(await readFile(join(runs, 'grpo', 'seed_0', 'config.yaml'), 'utf8'));
    await page.getByRole('link', { name: 'Diagnosis' }).click();
    await expect.poll(() => page.locator('.curve-legend li').count()).toBe(2);
    expect(trouble).toEqual([]);
    await page.close();
  });
  const methodsOf = (page: Page): Promise<string[]> =>
    page
      .locator('.settings thead th')
      .evaluateAll((all) => all.slice(1).map((th) => (th.textContent as string).split('/')[0]));

  it('diagnosis: every figure that the runs have, with its last value and what a bad curve means', async () => {
    const { page, trouble } = await opened('#/diagnosis');
    await page.locator('.sign canvas').first().waitFor();
    const metrics = await new RunFolder(join(runs, 'grpo', 'seed_0')).readMetrics();
    for (const name of [
      'grpo/seed_1',
      'grpo/seed_2',
      'lambda-grpo/seed_0',
      'lambda-grpo/seed_1',
      'lambda-grpo/seed_2',
    ])
      await page.getByLabel(name, { exact: true }).uncheck();
    const last = async (title: string) =>
      page.getByRole('region', { name: title, exact: true }).locator('.last').textContent();
    const logged = (name: 'entropy' | 'shared_mass' | 'all_wrong_share') =>
      metrics.flatMap((record) => (record.phase === 'train' ? (record[name] ?? []) : [])).at(-1) as number;
    const shown = (value: number) =>
      `last ${value !== 0 && value < 1e-3 ? value.toExponential(1).replace('-', '−') : Number(value.toFixed(4))}`;
    await expect.poll(() => last('entropy')).toBe(shown(logged('entropy')));
    expect(await last('gradient mass in shared steps')).toBe(shown(logged('shared_mass')));
    expect(await last('all wrong')).toBe(shown(logged('all_wrong_share')));
    for (const sign of await page.locator('.curves .sign').all()) {
      expect(await sign.locator('.meaning').textContent()).toMatch(/: .{40,}\.$/);
      // Each has its curve, or says that it was not measured.
      const isMissing = await sign.locator('.missing').isVisible();
      expect(await sign.locator('canvas').count()).toBe(isMissing ? 0 : 1);
    }
    expect(await page.getByRole('region', { name: 'KL' }).locator('.missing').isVisible()).toBe(true);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('diagnosis: what only the trees tell, of each run and of a log that grows, with a word where to look', async () => {
    const { page, trouble } = await opened('#/diagnosis');
    const card = (title: string, on = page) => on.getByRole('region', { name: title, exact: true });
    const line = (run: string, title: string, on = page) =>
      card(title, on)
        .getByRole('listitem')
        .filter({ hasText: new RegExp(`^${run}: `) })
        .textContent();
    await page.getByText('Of 540 groups in 540 files.').waitFor();
    for (const name of ['grpo/seed_0', 'lambda-grpo/seed_2']) {
      const diagnosis = new TreeDiagnosis();
      const place = new RunFolder(join(runs, ...name.split('/')));
      for (const step of await place.rolloutSteps())
        for await (const g of readOwnRollouts(place.rolloutsFile(step))) diagnosis.add(g, analyzeGroup(g));
      const { zeroVariance, klAlone, steps } = diagnosis.figures();
      const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
      expect(await line(name, 'Groups without variance')).toContain(
        `${percent(zeroVariance.right / 90)} all right, ${percent(zeroVariance.wrong / 90)} all wrong`,
      );
      expect(await line(name, 'Tokens that only the KL term moves')).toContain(
        `${percent(klAlone.copies)}; counting each step once ${percent(klAlone.once)}, and β is 0`,
      );
      const third = (values: readonly number[]) =>
        Number((values.reduce((a, b) => a + b, 0) / values.length).toFixed(4));
      expect(await line(name, 'Sharing |λ|/k, over the steps')).toContain(
        `${third(steps.sharing.slice(0, 30))} → ${third(steps.sharing.slice(60))} from the first third`,
      );
    }
    expect(await card('Age of the weights').textContent()).toContain('Not logged by these runs');
    expect(await card('Sharing |λ|/k, over the steps').locator('canvas').count()).toBe(1);
    expect(trouble).toEqual([]);
    await page.close();

    // A log with sampler noise, one prompt under two ids, and a group of one.
    const log = join(dirname(runs), 'log.jsonl');
    const lineOf = (id: string, prompt: number, rewards: number[], step: number) =>
      serializeGroup({
        id,
        step,
        prompt: { tokens: Int32Array.of(prompt), text: `p${prompt}` },
        completions: rewards.map((reward, i) => ({
          tokens: Int32Array.of(5, 6 + i),
          logprobs: Float32Array.of(-0.5 - 0.25 * i, -1),
          reward,
        })),
        tokens: 'exact',
        groups: 'explicit',
      });
    const step = (s: number) => [
      lineOf('a', 1, [1, 0], s),
      lineOf('b', 1, [1, 1], s),
      lineOf('c', 2, [0], s),
    ];
    await writeFile(log, `${step(1).join('\n')}\n`);
    const other = await startDashboard({
      folder: log,
      version: '0.0.0',
      port: 0,
      poll: 50,
      report: (error) => faults.push(error),
    });
    const logPage = await browser.newPage();
    await logPage.goto(`${other.address}#/diagnosis`);
    await logPage.getByText('Of 3 groups in 1 file.').waitFor();
    // ln π −0.5 and −0.75, twice: Σ (x − x̄)² = 2 · 0.03125 over two degrees of freedom.
    const noise = card('Sampler’s noise', logPage).getByRole('listitem');
    expect(await noise.textContent()).toBe(
      '0.1768 nats over 2 shared tokens; 100.0% of ratios outside [0.9, 1.1] look here',
    );
    const split = card('Prompts with several ids, groups of one', logPage).getByRole('listitem');
    expect(await split.textContent()).toMatch(
      /^1 prompt in 2 groups; advantages off by .*; 1 group of one look here$/,
    );
    await appendFile(log, `${step(2).join('\n')}\n`);
    await logPage.getByText('Of 6 groups in 1 file.').waitFor();
    await expect
      .poll(() => split.textContent())
      .toMatch(/^2 prompts in 4 groups; .*2 groups of one look here$/);
    await logPage.close();
    await other.close();
  });

  it('from a run to a step to a group', async () => {
    const { page } = await opened('#/');
    await page.getByRole('link', { name: 'grpo/seed_0', exact: true }).click();
    await page.locator('#step').selectOption('3');
    await page.locator('.data-table tbody tr').first().click();
    await page.locator('[role=tree]').waitFor();
    expect(page.url()).toContain('step=3');
    const steps = await page.locator('[role=treeitem]').count();
    let groups = 0;
    for await (const g of readOwnRollouts(new RunFolder(join(runs, 'grpo', 'seed_0')).rolloutsFile(3))) {
      expect(steps).toBe(analyzeGroup(g).tree.nodeCount);
      groups++;
    }
    expect(groups).toBe(1);
    await page.close();
  });

  it('while a step is being read, the groups of the step before lead nowhere', async () => {
    const { page } = await opened('#/groups?run=grpo%2Fseed_0');
    await page.locator('tbody tr').first().waitFor();
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let reached = (): void => {};
    const requested = new Promise<void>((resolve) => {
      reached = resolve;
    });
    await page.route('**/api/**', async (route) => {
      reached();
      await released;
      await route.continue();
    });
    await page.locator('#step').focus();
    await page.locator('#step').selectOption('3');
    await requested;
    expect(await page.locator('#view').getAttribute('aria-busy')).toBe('true');
    await page.evaluate("document.querySelector('tbody tr').scrollIntoView()");
    const { x, y } = await page
      .locator('tbody tr')
      .first()
      .evaluate((row) => row.getBoundingClientRect());
    await page.mouse.click(x + 10, y + 10);
    expect(page.url()).toContain('#/groups');
    release();
    await page.getByText('Groups of step 3').waitFor();
    expect(await page.evaluate('document.activeElement.id')).toBe('step');
    await page.close();
  });

  it('the worked example: numbers on the page are the paper’s and the library’s, under each weight', async () => {
    const { page, trouble } = await opened('#/try');
    const texts = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
    const analysis = analyzeGroup({
      completions: texts.map((text, i) => ({
        tokens: Int32Array.from(text, (c) => c.charCodeAt(0)),
        reward: [0.5, 0.5, 1, 0, 0, 0.5][i],
      })),
    });
    const { tree, stepAdvantages } = analysis;
    const numbers = async () =>
      (await page.locator('.step .number').allTextContents()).map((text) => Number(text.replace('−', '-')));
    const expected = (p: number) =>
      Array.from(stepAdvantages, (a, node) => Number((tree.size[node] ** (1 - p) * a).toFixed(2)) + 0);
    expect(await numbers()).toEqual(expected(1));
    // PAPER: JKL 0.33, −0.22; M 1.0, +1.55.
    const labels = await page.locator('[role=treeitem]').evaluateAll((all) => all.map((e) => e.textContent));
    expect(labels).toContain('JKL −0.22, 3 completions, step reward 0.3333, step advantage −0.22');
    expect(labels).toContain('M +1.55, 1 completions, step reward 1, step advantage +1.55');
    await page.getByRole('radio', { name: 'GRPO', exact: true }).check();
    expect(await numbers()).toEqual(expected(0));
    await page.getByRole('radio', { name: 'λ-GRPO', exact: true }).check();
    expect(await numbers()).toEqual(expected(1));
    await page.getByRole('radio', { name: 'between' }).check();
    await page.getByLabel('Exponent p').fill('0.25');
    expect(await numbers()).toEqual(expected(0.25));
    // The published rules of credit, as the library computes them.
    const select = page.getByLabel('Other credit rules');
    expect(await select.locator('option').count()).toBe(CREDIT_NAMES.length - 2);
    for (const name of ['tempo', 'tree-grpo', 'treerpo'] as const) {
      await select.selectOption(name);
      const { push } = publishedCredit(name, analysis);
      expect(await numbers(), name).toEqual(Array.from(push, (value) => Number(value.toFixed(2)) + 0));
    }
    await page.getByRole('radio', { name: 'λ-GRPO', exact: true }).check();
    expect(await select.inputValue()).toBe('');
    // The tokens of JKLM: three of four against it.
    await page.locator('button.completion').nth(2).click();
    await page.getByText('Tokens of completion 3').click();
    const cells = await page
      .locator('.tokens tbody tr')
      .evaluateAll((rows) => rows.map((r) => r.textContent));
    expect(cells).toHaveLength(4);
    expect(cells[0]).toContain('J30.3333−0.22−0.66−0.22');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('typing changes the tree at once; a line that cannot be read is named and the tree stays', async () => {
    const { page } = await opened('#/try');
    await page.locator('#typed').fill('1 ab\n0 ac');
    expect(await page.locator('[role=treeitem]').count()).toBe(3);
    await page.locator('#typed').fill('1 ab\nnonsense');
    expect(await page.getByRole('alert').textContent()).toContain('line 2');
    expect(await page.locator('[role=treeitem]').count()).toBe(3);
    await page.locator('#typed').fill('1 <img src=x onerror=alert(1)>\n0 <b>bold</b>');
    expect(await page.locator('main img, main b').count()).toBe(0);
    await page.close();
  });

  it('keys walk the tree, fold it and light a path', async () => {
    const { page } = await opened('#/try');
    await page.locator('[role=treeitem]').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    // The element in focus lies within the component's shadow root.
    const at = () => page.evaluate('document.activeElement.shadowRoot.activeElement.textContent');
    expect(await at()).toContain('JKL');
    const before = await page.locator('[role=treeitem]:visible').count();
    await page.keyboard.press('-');
    expect(await page.locator('[role=treeitem]:visible').count()).toBe(before - 4);
    await page.keyboard.press('+');
    expect(await page.locator('[role=treeitem]:visible').count()).toBe(before);
    await page.keyboard.press('Enter');
    expect(await page.locator('.step.lit').count()).toBe(3);
    await page.keyboard.press('Escape');
    expect(await page.locator('.step.lit').count()).toBe(0);
    await page.close();
  });

  it('a live run moves: its curves grow while it trains', async () => {
    const { page, trouble } = await opened('#/');
    await page.locator('.plot canvas').first().waitFor();
    const out = join(runs, 'live');
    const stop = new AbortController();
    const ended = run({
      config: config({ train: { steps: 100_000 }, log: { rollouts_every: 0 }, evaluation: { every: 0 } }),
      out,
      threads: 1,
      signal: stop.signal,
    });
    try {
      const row = page.locator('.runs tbody tr', { hasText: 'live' });
      await row.waitFor({ timeout: 20_000 });
      const step = async () => Number(/(\d+) \/ 100000/.exec((await row.textContent()) ?? '')?.[1] ?? 0);
      const points = async () => Number(await page.locator('.plot').first().getAttribute('data-points'));
      await expect.poll(step, { timeout: 20_000 }).toBeGreaterThan(5);
      expect(await row.textContent()).toContain('running');
      const [first, before] = [await step(), await points()];
      await expect.poll(step, { timeout: 20_000 }).toBeGreaterThan(first + 5);
      await expect.poll(points, { timeout: 20_000 }).toBeGreaterThan(before);
      expect(trouble).toEqual([]);
    } finally {
      stop.abort();
      await ended;
      await page.close();
    }
  });

  it('an address that leads nowhere says so', async () => {
    const { page } = await opened('#/groups?run=no%2Fsuch');
    expect(await page.locator('main').textContent()).toContain('This cannot be shown');
    await page.close();
  });
});
