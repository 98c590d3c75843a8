/**
 * `<process-tree>` in another project: built with plain Vite, under a strict content security policy, in a real
 * browser.
 */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyzeGroup } from '../src/analysis/index.js';
import { viewOfGroup } from '../web/components/group-json.js';
import { nodeValues } from '../web/components/node-values.js';
import { hasBrowser, launchBrowser } from './browser.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The paper's worked example, a letter a token. */
const TEXTS = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
const REWARDS = [0.5, 0.5, 1, 0, 0, 0.5];
const GROUP = {
  completions: TEXTS.map((text, i) => ({ tokens: [...text], reward: REWARDS[i] })),
};
/** All that a page may do here: run its own script. */
const POLICY = "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'";

const MAIN = `
import 'lambda-grpo/view';
import type { ProcessTreeElement, GroupJson } from 'lambda-grpo/view';

const tree: ProcessTreeElement = document.createElement('process-tree');
const group: GroupJson = ${JSON.stringify(GROUP)};
const told: string[] = [];
tree.addEventListener('completion-select', (event) => told.push(JSON.stringify((event as CustomEvent).detail)));
tree.addEventListener('weights-change', (event) => told.push(JSON.stringify((event as CustomEvent).detail)));
tree.group = group;
document.body.append(tree);
Object.assign(window, { tree, told });
`;
const INDEX = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>view</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"></head><body>
<main><h1>A tree</h1><process-tree id="inline" selected="1"><script type="application/json">
${JSON.stringify({
  completions: [
    { text: 'one two', reward: 1 },
    { text: 'one\u202e three\n four', reward: 0 },
  ],
})}
</script></process-tree></main><script type="module" src="./main.ts"></script></body></html>`;

describe('a group as JSON', () => {
  it('a line of a rollout log, texts of tokens and plain texts give the picture that the library computes', () => {
    const analysis = analyzeGroup({
      completions: TEXTS.map((text, i) => ({
        tokens: Int32Array.from(text, (c) => c.charCodeAt(0)),
        reward: REWARDS[i],
      })),
    });
    const expected = Array.from(analysis.stepAdvantages);
    const pieces = Object.fromEntries([...new Set(TEXTS.join(''))].map((c) => [c.charCodeAt(0), c]));
    const line = {
      id: 'g',
      step: 3,
      prompt: { tokens: [1], text: 'p' },
      pieces,
      completions: TEXTS.map((text, i) => ({
        tokens: Array.from(text, (c) => c.charCodeAt(0)),
        reward: REWARDS[i],
        advantage: 7,
      })),
    };
    const spaced = {
      completions: TEXTS.map((text, i) => ({ text: [...text].join(' '), reward: REWARDS[i] })),
    };
    for (const group of [GROUP, line, spaced]) {
      const { steps } = viewOfGroup(group);
      expect(steps.map(({ advantage }) => advantage)).toEqual(expected);
      expect(steps.map(({ size }) => size)).toEqual(Array.from(analysis.tree.size));
    }
    expect(viewOfGroup(line).steps.map(({ text }) => text)).toContain('JKL');
  });

  it('a run’s own advantages are taken where they are given', () => {
    const judged = { advantages: [3, -1, -1, -1, 0, 0] };
    const { completions } = viewOfGroup({ ...GROUP, judged });
    for (const { index, advantage } of completions) expect(advantage).toBe(judged.advantages[index]);
  });

  it('what a box shows is |λ|^(1 − p)·Â, or what a rule of credit brings', () => {
    const view = viewOfGroup(GROUP);
    for (const [weights, p] of [
      ['grpo', 0],
      ['lambda-grpo', 1],
      [0.25, 0.25],
    ] as const) {
      view.steps.forEach(({ size, advantage }, node) => {
        expect(nodeValues(view, weights)[node]).toBeCloseTo(size ** (1 - p) * advantage, 12);
      });
    }
    const nodes = view.steps.map((_, node) => node);
    const rule = { ...view, values: [{ name: 'depth', meaning: 'Place of the step.', nodes }] };
    expect(nodeValues(rule, 'depth')).toEqual(nodes);
    expect(nodeValues(rule, 'no such rule')).toEqual(nodeValues(view, 'step'));
  });

  it('what is no group is named by its key', () => {
    const faults: readonly (readonly [unknown, string])[] = [
      [null, 'the group: expected an object, got null'],
      [{}, 'completions: expected a list of at least one completion, got nothing'],
      [{ completions: [] }, 'completions: expected a list of at least one completion, got []'],
      [{ completions: [3] }, 'completions[0]: expected an object, got 3'],
      [
        { completions: [{ text: 'a', reward: '1' }] },
        'completions[0].reward: expected a finite number, got "1"',
      ],
      [
        { completions: [{ reward: 1 }] },
        'completions[0]: expected tokens, a list, or text, got {"reward":1}',
      ],
      [
        {
          completions: [
            { tokens: [1], reward: 1 },
            { text: 'a', reward: 0 },
          ],
        },
        'completions[1].tokens: expected a list of token ids, like the other completions, got nothing',
      ],
      [
        { completions: [{ tokens: [1, 2.5], reward: 1 }] },
        'completions[0].tokens[1]: expected a token id, a whole number, got 2.5',
      ],
      [
        { ...GROUP, judged: { advantages: [1] } },
        'judged.advantages: expected 6 numbers, one for each completion, got [1]',
      ],
    ];
    for (const [value, message] of faults) expect(() => viewOfGroup(value)).toThrow(message);
    // Completions without a token are none.
    expect(
      viewOfGroup({
        completions: [
          { tokens: [], reward: 1 },
          { tokens: ['a'], reward: 0 },
        ],
      }).steps,
    ).toHaveLength(3);
  });
});

describe.skipIf(!hasBrowser)('lambda-grpo/view in a plain Vite project', () => {
  let project: string;
  let browser: Browser;
  let server: Server;
  let address: string;
  let script: Buffer;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'lambda-grpo-view-'));
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(root, join(project, 'node_modules', 'lambda-grpo'), 'dir');
    writeFileSync(join(project, 'package.json'), '{"name":"other","private":true,"type":"module"}');
    writeFileSync(join(project, 'main.ts'), MAIN);
    writeFileSync(join(project, 'index.html'), INDEX);
    await build({
      root: project,
      configFile: false,
      logLevel: 'error',
      build: { modulePreload: { polyfill: false } },
    });
    const assets = join(project, 'dist', 'assets');
    script = readFileSync(join(assets, readdirSync(assets).find((name) => name.endsWith('.js')) as string));
    server = createServer((request, response) => {
      const path = request.url === '/' ? 'index.html' : (request.url as string).slice(1);
      response.setHeader('Content-Security-Policy', POLICY);
      try {
        const body = readFileSync(join(project, 'dist', path));
        response.setHeader('Content-Type', path.endsWith('.js') ? 'text/javascript' : 'text/html');
        response.end(body);
      } catch {
        response.writeHead(204).end();
      }
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(project, { recursive: true, force: true });
  });

  async function opened(
    width = 1280,
    scheme: 'light' | 'dark' = 'light',
  ): Promise<{ page: Page; trouble: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme: scheme });
    const trouble: string[] = [];
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    await page.goto(address);
    await page.locator('process-tree').nth(1).locator('.step').first().waitFor();
    return { page, trouble };
  }

  it('types hold, the size is what the docs say, and nothing else is loaded', () => {
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const flags =
      '--noEmit --strict --target es2022 --module esnext --moduleResolution bundler --lib es2023,dom'.split(
        ' ',
      );
    execFileSync(tsc, [...flags, '--types', '', 'main.ts'], { cwd: project, stdio: 'pipe' });
    const documented = Number(/(\d+) kB gzipped/.exec(readFileSync(join(root, 'docs/view.md'), 'utf8'))?.[1]);
    const kilobytes = gzipSync(script).length / 1000;
    expect(kilobytes).toBeLessThan(documented + 0.5);
    expect(kilobytes).toBeGreaterThan(documented - 1.5);
  }, 60_000);

  it('draws under a policy that allows no style, and tells what is chosen', async () => {
    const { page, trouble } = await opened();
    const tree = page.locator('process-tree').nth(1);
    const view = viewOfGroup(GROUP);
    const numbers = await tree.locator('.step .number').allTextContents();
    expect(numbers.map((text) => Number(text.replace('−', '-')))).toEqual(
      view.steps.map(({ advantage }) => Number(advantage.toFixed(2)) + 0),
    );
    // Styles hold: a step through which three go is three rows high.
    const box = tree.locator('.step', { hasText: 'JKL' }).first();
    expect(((await box.boundingBox()) as { height: number }).height).toBeGreaterThan(60);
    await tree.locator('button.completion').nth(2).click();
    await tree.getByRole('radio', { name: 'GRPO', exact: true }).check();
    const chosen = view.completions[2].index;
    expect(await page.evaluate('told')).toEqual([`{"completion":${chosen}}`, '{"weights":"grpo"}']);
    expect(await page.evaluate('tree.selected')).toBe(chosen);
    expect(await tree.locator('.reading .words').last().textContent()).toBe(TEXTS[chosen]);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('a completion is read line by line: line ends, spaces, hidden characters, |λ| in the margin', async () => {
    const { page, trouble } = await opened();
    const inline = page.locator('#inline');
    // From the attribute: completion 1, "one\u202e three\n four".
    expect(await inline.locator('.reading strong').textContent()).toBe('Completion 2');
    const lines = inline.locator('.lines .line:not(.titles)');
    expect(await lines.count()).toBe(2);
    expect(await lines.nth(0).locator('.words').textContent()).toBe('one\\u202e three\n');
    expect(await lines.nth(1).locator('.words').textContent()).toBe(' four');
    expect(await lines.nth(0).locator('.mark').allTextContents()).toEqual(['2', '1']);
    expect(await lines.nth(1).locator('.margin.within .mark').allTextContents()).toEqual(['1']);
    expect(await lines.nth(0).locator('.piece.first').count()).toBe(2);
    expect(await lines.nth(0).locator('.space').count()).toBe(1);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('the keyboard alone suffices, and programs may choose a step without an event', async () => {
    const { page } = await opened();
    const tree = page.locator('process-tree').nth(1);
    await tree.locator('.step').first().focus();
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
    expect(await tree.locator('.step.lit').count()).toBeGreaterThan(1);
    expect(await page.evaluate('told.length')).toBe(1);
    await page.evaluate('tree.selected = 5; tree.weights = 0.5');
    expect(await tree.locator('.reading strong').textContent()).toBe('Completion 6');
    expect(await page.evaluate('told.length')).toBe(1);
    expect(await tree.getByLabel('Exponent p').inputValue()).toBe('0.5');
    // Not drawn anew: the focus stays where it is.
    expect(await page.evaluate('tree.shadowRoot.activeElement.className')).toContain('step');
    await page.close();
  });

  it('an invalid group is named in its place; the next valid one is drawn', async () => {
    const { page, trouble } = await opened();
    const tree = page.locator('process-tree').nth(1);
    await page.evaluate('tree.group = { completions: [{ text: "a", reward: null }] }');
    expect(await tree.getByRole('alert').textContent()).toBe(
      'This is not a group: completions[0].reward: expected a finite number, got null',
    );
    expect(await page.evaluate('tree.problem')).toContain('completions[0].reward');
    await page.evaluate('tree.group = { completions: [{ text: "a", reward: 1 }] }');
    expect(await tree.getByRole('alert').count()).toBe(0);
    expect(await tree.locator('.step').count()).toBe(1);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('colours are custom properties, and light or dark is the page’s', async () => {
    const { page } = await opened(1280, 'dark');
    const sheet = () =>
      page.evaluate('getComputedStyle(tree.shadowRoot.querySelector(".tree-scroll")).backgroundColor');
    const dark = await sheet();
    await page.evaluate('tree.style.colorScheme = "light"');
    expect(await sheet()).toBe('rgb(255, 255, 255)');
    expect(await sheet()).not.toBe(dark);
    await page.evaluate('tree.style.setProperty("--process-tree-sheet", "rgb(1, 2, 3)")');
    expect(await sheet()).toBe('rgb(1, 2, 3)');
    await page.close();
  });

  it('at 390 px the completions’ numbers fold away, a wide tree says so, and their column stays', async () => {
    const { page, trouble } = await opened(390);
    const tree = page.locator('process-tree').nth(1);
    await page.evaluate(
      `tree.group = { completions: Array.from({ length: 4 }, (_, i) => ({ text: 'a long beginning of it ' + 'and so on '.repeat(i * 3) + i, reward: i })) }`,
    );
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    const scroller = tree.locator('.tree-scroll');
    expect(await tree.locator('.completion .against').first().isVisible()).toBe(false);
    await tree.getByRole('button', { name: 'numbers' }).click();
    expect(await tree.locator('.completion .against').first().isVisible()).toBe(true);
    await tree.getByRole('button', { name: 'numbers' }).click();
    expect(await tree.locator('.wide-note').textContent()).toMatch(/wider than the window.*the last is \d/);
    const column = tree.locator('.completions');
    const before = await column.boundingBox();
    await scroller.evaluate((element) => {
      element.scrollLeft = 150;
    });
    expect(await column.boundingBox()).toEqual(before);
    expect((before as { width: number }).width).toBeLessThan(390 / 4);
    expect(trouble).toEqual([]);
    await page.close();
  });

  it('no barrier that axe knows, light and dark, at a desk and on a telephone', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const scheme of ['light', 'dark'] as const)
      for (const width of [1280, 390]) {
        const { page } = await opened(width, scheme);
        // axe takes a page without a background for a white one.
        await page.evaluate(
          'document.body.style.background = "Canvas"; document.querySelector("main").append(tree); tree.selected = 2',
        );
        await page.evaluate(axe);
        const violations = await page.evaluate(
          'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))',
        );
        expect(violations, `${scheme} ${width}`).toEqual([]);
        await page.close();
      }
  });
});
