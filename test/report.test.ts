/** The report of `analyze` in a real browser: what it shows is what the library says, and nothing in a log can run. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyzeGroup, LogGatherer, publishedCredit, ReportCollector } from '../src/analysis/index.js';
import { readRollouts } from '../src/rollouts/files.js';
import type { Group } from '../src/rollouts/index.js';
import { hasBrowser, launchBrowser } from './browser.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LOGS = join(root, '..', 'shared', 'data', 'rollouts');

/** The paper's worked example: one letter is one token. */
const EXAMPLE = group('example', [
  ['ABCD', 0.5],
  ['ABEFHI', 0.5],
  ['JKLM', 1],
  ['JKLNQST', 0],
  ['JKLNQU', 0],
  ['VWYZ', 0.5],
]);

const HOSTILE = [
  '<script>window.ran = 1</script>',
  '</script><script>window.ran = 2</script>',
  '<img src=x onerror="window.ran = 3">',
  '<!-- <script>',
  '\u2028\u2029\u0000\ud800 {{constructor}}',
  '"><svg onload=alert(1)>',
  'x'.repeat(100_000),
];

function group(
  id: string,
  completions: readonly (readonly [text: string, reward: number])[],
  step = 1,
): Group {
  const texts = new Map<number, string>();
  return {
    id,
    step,
    prompt: { tokens: new Int32Array(), text: `prompt of ${id}` },
    completions: completions.map(([text, reward]) => ({
      tokens: Int32Array.from(text, (character) => {
        const token = character.codePointAt(0) as number;
        texts.set(token, character);
        return token;
      }),
      reward,
    })),
    tokens: 'exact',
    groups: 'explicit',
    tokenTexts: Object.fromEntries(texts),
  };
}

/** Texts as single tokens, so that each is the text of one step. */
function hostileGroup(): Group {
  return {
    ...group(HOSTILE[0], [['a', 1]]),
    prompt: { tokens: new Int32Array(), text: HOSTILE.join('\n') },
    completions: HOSTILE.map((_, i) => ({ tokens: Int32Array.of(99, i), reward: i % 2 })),
    tokenTexts: Object.fromEntries([...HOSTILE.map((text, i) => [i, text]), [99, HOSTILE[1]]]),
  };
}

/** Of two cells as they are shown: by number where both begin with one, else by text. */
function order(a: string, b: string): number {
  const number = (cell: string) => Number.parseFloat(cell.replace('−', '-').replaceAll(/[,\u202f ]/g, ''));
  const [x, y] = [number(a), number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

function report(groups: readonly Group[], notes: readonly string[] = [], source = HOSTILE[0]): string {
  const gatherer = new LogGatherer();
  const collector = new ReportCollector();
  for (const g of groups) {
    const analysis = analyzeGroup(g);
    collector.add(g, analysis, gatherer.add(g, analysis));
  }
  return collector.html(gatherer.result(), { source, version: '0.0.0', notes });
}

describe.skipIf(!hasBrowser)('report', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-report-'));
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens a page and gathers all that it complains of or asks the network for. */
  async function opened(html: string, width = 1280): Promise<{ page: Page; trouble: string[] }> {
    const file = join(folder, `report-${Math.random()}.html`);
    await writeFile(file, html);
    const page = await browser.newPage({ viewport: { width, height: 844 } });
    const trouble: string[] = [];
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    page.on('request', (request) => {
      if (request.url() !== pathToFileURL(file).href) trouble.push(`asked for ${request.url()}`);
    });
    await page.goto(pathToFileURL(file).href);
    return { page, trouble };
  }

  it('a step shows its text, its size, its reward and its advantage, as the library has them', async () => {
    const { page, trouble } = await opened(report([EXAMPLE]));
    const { tree, stepRewards, stepAdvantages } = analyzeGroup(EXAMPLE);
    const boxes = page.locator('[role=treeitem]');
    expect(await boxes.count()).toBe(tree.nodeCount);
    for (let node = 0; node < tree.nodeCount; node++) {
      await boxes.nth(node).focus();
      const text = String.fromCodePoint(...tree.stepTokens(node));
      const shown = page.locator(text === '' ? '.step-detail .hint' : '.step-detail pre');
      expect(await shown.textContent()).toContain(text === '' ? 'Choose one to read it' : text);
      const facts = await page.locator('.step-detail dd').allTextContents();
      const number = (at: number) => Number(facts[at].replace('−', '-'));
      expect(facts[0]).toBe(`${tree.size[node]} of 6`);
      expect(number(1)).toBeCloseTo(stepRewards[node], 4);
      expect(number(2)).toBeCloseTo(stepAdvantages[node], 2);
    }
    // The paper's own figures: JKL is shared by 3, its reward 1/3, its advantage −0.22; M has 1 and +1.55.
    const labels = (await boxes.allTextContents()).map((label) => label.replace(/\s+/g, ' '));
    expect(labels).toContain('JKL −0.22, 3 completions, step reward 0.3333, step advantage −0.22');
    expect(labels).toContain('M +1.55, 1 completions, step reward 1, step advantage +1.55');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a tree shows what each credit rule makes of its steps', async () => {
    const { page, trouble } = await opened(report([EXAMPLE]));
    const select = page.getByLabel('Other credit rules');
    for (const name of ['gtpo', 'treerpo', 'treerl'] as const) {
      await select.selectOption(name);
      const shown = (await page.locator('.step .number').allTextContents()).map((text) =>
        Number(text.replace('−', '-')),
      );
      const { push } = publishedCredit(name, analyzeGroup(EXAMPLE));
      expect(shown, name).toEqual(Array.from(push, (value) => Number(value.toFixed(2)) + 0));
    }
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('arrow keys walk the tree, and a chosen completion lights its path', async () => {
    const { page } = await opened(report([EXAMPLE]));
    const { tree } = analyzeGroup(EXAMPLE);
    await page.locator('[role=treeitem]').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    const at = Number(await page.evaluate('document.activeElement.shadowRoot.activeElement.dataset.node'));
    expect(tree.depth[at]).toBe(2);
    await page.locator('button.completion').first().click();
    const lit = await page
      .locator('.step.lit')
      .evaluateAll((all) => all.map((e) => Number(e.getAttribute('data-node'))));
    expect(lit).toEqual([...tree.pathOf(tree.members[0])]);
    await page.close();
  });

  it('the table sorts by each column, both ways, and filters', async () => {
    const groups = Array.from({ length: 12 }, (_, i) =>
      group(
        `g${i}`,
        [
          ['AB'.padEnd(2 + (i % 4), 'x'), (7 * i) % 5],
          ['AC', 0],
          ['D', 1],
          ...(i % 3 === 0 ? ([['ABE', 2]] as const) : []),
        ],
        (5 * i) % 12,
      ),
    );
    const { page, trouble } = await opened(report(groups));
    const headers = page.locator('th button');
    const names = await headers.allTextContents();
    expect(names.length).toBeGreaterThan(9);
    for (const [column, name] of names.entries()) {
      const shown = (): Promise<string[]> =>
        page.locator(`tbody tr td:nth-child(${column + 1})`).allTextContents();
      await headers.nth(column).click();
      const once = await shown();
      await headers.nth(column).click();
      const twice = await shown();
      expect(once, name).toHaveLength(12);
      expect(await page.locator('th[aria-sort]').count()).toBe(1);
      expect([...twice].sort(), name).toEqual([...once].sort());
      const rising = [once, twice].map((cells) =>
        cells.every((cell, i) => i === 0 || order(cells[i - 1], cell) <= 0),
      );
      const falling = [once, twice].map((cells) =>
        cells.every((cell, i) => i === 0 || order(cells[i - 1], cell) >= 0),
      );
      const constant = new Set(once).size === 1;
      expect([rising, falling], name).toEqual(
        constant
          ? [
              [true, true],
              [true, true],
            ]
          : rising[0]
            ? [
                [true, false],
                [false, true],
              ]
            : [
                [false, true],
                [true, false],
              ],
      );
    }
    await page.getByRole('searchbox').fill('g11');
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.locator('tbody tr').first().click();
    expect(await page.locator('#group-title').textContent()).toContain('g11');
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('markup and script in completions, prompts, ids and notes are text', async () => {
    const { page, trouble } = await opened(report([hostileGroup()], HOSTILE.slice(0, 3)));
    const texts = await page.locator('.step .text').allTextContents();
    for (const text of [...HOSTILE.slice(0, 4), HOSTILE[5]]) expect(texts).toContain(text);
    // What nobody sees is shown as an escape; what is long, by its beginning.
    expect(texts).toContain('\\u2028\\u2029\\x00⟨D800⟩ {{constructor}}');
    expect(texts.filter((text) => /^x+…?$/.test(text))).toHaveLength(1);
    expect(await page.evaluate('window.ran')).toBeUndefined();
    expect(await page.locator('main img, main svg[onload]').count()).toBe(0);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a script that got into the page all the same would not run', async () => {
    const html = report([EXAMPLE]).replace('</main>', '<script>window.ran = 4</script></main>');
    const { page, trouble } = await opened(html);
    expect(await page.evaluate('window.ran')).toBeUndefined();
    expect(trouble.join()).toContain('Content Security Policy');
    await page.close();
  });

  it('fits a telephone: the page itself does not scroll sideways', async () => {
    const { page } = await opened(report([EXAMPLE, hostileGroup()]), 390);
    const [inner, scroll] = (await page.evaluate(
      '[innerWidth, document.documentElement.scrollWidth]',
    )) as number[];
    expect(scroll).toBe(inner);
    await page.close();
  });

  it.skipIf(!existsSync(LOGS))('opens on a real log', async () => {
    const log = 'reasoning-gym_step800_amc23.json';
    const groups: Group[] = [];
    for await (const g of readRollouts(join(LOGS, log))) {
      groups.push({ ...g, ...(g.source ? { source: { ...g.source, file: log } } : {}) });
    }
    const { page, trouble } = await opened(report(groups, [], log));
    expect(await page.locator('.card .value').first().textContent()).toBe(String(groups.length));
    expect(await page.locator('tbody tr').count()).toBe(groups.length);
    // The group with most nodes: each of them is there, with the library's advantage.
    const analyses = groups.map((g) => analyzeGroup(g));
    const most = analyses.reduce((a, b) => (b.tree.nodeCount > a.tree.nodeCount ? b : a));
    const { id } = groups[analyses.indexOf(most)];
    await page.getByRole('searchbox').fill(id);
    await page.locator('tbody tr', { has: page.getByRole('button', { name: id, exact: true }) }).click();
    const boxes = page.locator('[role=treeitem]');
    expect(await boxes.count()).toBe(most.tree.nodeCount);
    const shown = (await page.locator('.step .number').allTextContents()).map((text) =>
      Number(text.replace('−', '-')),
    );
    expect(shown).toEqual(Array.from(most.stepAdvantages, (a) => Number(a.toFixed(2)) + 0));
    expect(trouble).toEqual([]);
    await page.close();
  });
});
