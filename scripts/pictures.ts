/**
 * Takes screenshots of every view of dashboard and report for a runs folder, at desktop and phone width, light and
 * dark, and checks each with axe: `npx tsx scripts/pictures.ts <runs folder> <folder for pictures>`. The pictures in
 * docs/figures show a run of SmolLM2-135M-Instruct, with a reduced palette.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { analyzeCommand } from '../src/cli/analyze.js';
import type { RunList, RunSteps, StepGroups } from '../src/dashboard/index.js';
import { startDashboard } from '../src/dashboard/index.js';
import { launchBrowser } from '../test/browser.js';

const SIZES = [
  [1280, 800],
  [390, 844],
] as const;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type View = readonly [name: string, address: string, settle: (page: Page) => Promise<unknown>];

async function main(folder: string, out: string): Promise<void> {
  mkdirSync(out, { recursive: true });
  const dashboard = await startDashboard({ folder, version: '0', port: 0, report: console.error });
  const get = async <T>(path: string): Promise<T> =>
    (await (await fetch(new URL(path, dashboard.address))).json()) as T;
  const { runs } = await get<RunList>('api/runs');
  const run = encodeURIComponent((runs.find(({ method }) => method === 'lambda-grpo') ?? runs[0]).run);
  const { rolloutSteps } = await get<RunSteps>(`api/runs/${run}/steps`);
  // The group that λ-GRPO changes most.
  const tables = await Promise.all(
    rolloutSteps.map((step) => get<StepGroups>(`api/runs/${run}/steps/${step}`)),
  );
  const all = tables.flatMap(({ step, groups }) => groups.map(({ n, flaw }) => ({ step, n, flaw })));
  const { step, n } = all.reduce((most, group) => (group.flaw > most.flaw ? group : most));
  const temporary = mkdtempSync(join(tmpdir(), 'lambda-grpo-pictures-'));
  const report = join(temporary, 'report.html');
  await analyzeCommand([join(folder, decodeURIComponent(run), 'rollouts')], { report, maxGroups: 50 }, '0');
  const at = (hash: string): string => dashboard.address + hash;
  const views: readonly View[] = [
    ['runs', at('#/'), (page) => page.locator('.plot canvas').first().waitFor()],
    ['groups', at(`#/groups?run=${run}`), (page) => page.locator('tbody tr').first().waitFor()],
    [
      'tree',
      at(`#/group?run=${run}&step=${step}&n=${n}`),
      (page) => page.locator('button.completion').nth(1).click(),
    ],
    ['diagnosis', at('#/diagnosis'), (page) => page.locator('.sign canvas').first().waitFor()],
    ['config', at('#/config'), (page) => page.locator('.settings').waitFor()],
    ['try', at('#/try'), (page) => page.locator('button.completion').nth(2).click()],
    ['report', pathToFileURL(report).href, (page) => page.locator('button.completion').nth(1).click()],
  ];
  const browser = await launchBrowser();
  let violations = 0;
  for (const [name, address, settle] of views)
    for (const colorScheme of ['light', 'dark'] as const)
      for (const [width, height] of SIZES) {
        const page = await browser.newPage({ viewport: { width, height }, colorScheme, bypassCSP: true });
        await page.goto(address);
        await settle(page);
        await page.waitForTimeout(700);
        await page.evaluate(axe);
        const list = (await page.evaluate(
          `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))`,
        )) as string[];
        violations += list.length;
        for (const line of list) console.log(`${name} ${colorScheme} ${width}: ${line}`);
        await page.evaluate('document.activeElement?.blur()');
        await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        await page.close();
      }
  await browser.close();
  await dashboard.close();
  rmSync(temporary, { recursive: true });
  console.log(`${views.length * 4} pictures in ${out}, ${violations} violations`);
}

const [folder, out] = process.argv.slice(2);
await main(folder, out);
