/**
 * The published pages equal, to the byte, the pages that are generated from their JSON files: every figure has a
 * source.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { EXPERIMENTS, rewrite } from './index.js';
import { perSeed } from './paired.js';

const published = fileURLToPath(new URL('../../docs/results/', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'lambda-grpo-rewrite-'));
afterAll(() => rmSync(out, { recursive: true }));

describe('pages from their figures', () => {
  it('every published experiment comes out again, pages, pictures and the table of claims', async () => {
    const names = EXPERIMENTS.map(({ name }) => name).filter((name) =>
      existsSync(join(published, `${name}.json`)),
    );
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) cpSync(join(published, `${name}.json`), join(out, `${name}.json`));
    for (const experiment of EXPERIMENTS.filter(({ name }) => names.includes(name)))
      await rewrite(experiment, out);
    const written = readdirSync(out);
    expect(written).toContain('claims.md');
    for (const file of written) {
      expect(readFileSync(join(out, file), 'utf8'), file).toBe(readFileSync(join(published, file), 'utf8'));
    }
  });

  it('no interval of a share leaves 0 and 1', () => {
    const texts = readdirSync(published)
      .filter((file) => file.endsWith('.md'))
      .map((file) => readFileSync(join(published, file), 'utf8'))
      .join('\n');
    const bounds = [...texts.matchAll(/([\d.]+) \[([−\d.]+), ([\d.]+)\]/g)];
    expect(bounds.length).toBeGreaterThan(100);
    for (const [text, mean, low, high] of bounds) {
      expect(Number(low) >= 0 && Number(low) <= Number(mean) && Number(mean) <= Number(high), text).toBe(
        true,
      );
      expect(Number(high), text).toBeLessThanOrEqual(1);
    }
  });

  it('what is not there, and what is not its own, is named in one line', async () => {
    const empty = mkdtempSync(join(out, 'empty-'));
    const [experiment] = EXPERIMENTS;
    await expect(rewrite(experiment, empty)).rejects.toThrow(/theorem\.json: cannot be read: /);
    writeFileSync(join(empty, 'theorem.json'), '{"experiment": "structure"}');
    await expect(rewrite(experiment, empty)).rejects.toThrow(
      /theorem\.json: expected the figures of theorem with making, settings and data$/,
    );
  });
});

it('figures of one seed are averaged; cases of other seeds are refused', () => {
  expect(
    perSeed([
      [1, 2, 3],
      [3, 2, 1],
    ]),
  ).toEqual([2, 2, 2]);
  expect(() => perSeed([[1, 2], [1]])).toThrow('cases of 2, 1 seeds');
  expect(() => perSeed([])).toThrow(RangeError);
});
