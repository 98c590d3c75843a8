import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { quantiles, runLog } from '../work/log.js';
import { type StructureRow, structure, structureVerdict } from './structure.js';

const row = (k: number, flat: number, depth: [number, number], part: [number, number]): StructureRow => ({
  k,
  groups: 1000,
  flat,
  pathDepth: depth,
  intermediate: part,
});

it('few flat, deeper with k, growing: holds', () => {
  expect(structureVerdict([row(6, 2, [1, 3], [0.1, 0.4]), row(36, 0, [3, 11], [0.2, 0.8])])).toBe('holds');
});

it('some of it: in part; none: not here', () => {
  expect(structureVerdict([row(6, 400, [1, 0.5], [0.1, 0.02]), row(36, 200, [3, 2], [0.2, 0.1])])).toBe(
    'holds in part',
  );
  expect(structureVerdict([row(6, 400, [3, 2], [0.1, 0.02]), row(36, 200, [1, 1], [0.2, 0.1])])).toBe(
    'does not hold here',
  );
});

it('runs of both group sizes start from one warm-up a seed', () => {
  const units = structure.units(structure.settings({ quick: false }), {});
  const warmups = units.filter(({ spec }) => spec.kind === 'warmup').map(({ id }) => id);
  expect(warmups).toHaveLength(3);
  const needed = units.flatMap(({ needs }) => needs);
  expect(new Set(needed)).toEqual(new Set(warmups));
  expect(needed).toHaveLength(6);
});

it('a log is reduced to its structure, or to nothing if its groups cannot be known', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-log-'));
  const context = { folder, id: 'log', progress: () => {} };
  const path = join(folder, 'log.jsonl');
  writeFileSync(
    path,
    `${JSON.stringify({ question: 'q', response: ['a b c', 'a b d', 'x y z'], score: [true, false, true] })}\n`,
  );
  const row = await runLog({ kind: 'log', path, name: 'log.jsonl', size: 1 }, context);
  expect(row).toMatchObject({ name: 'log.jsonl', groups: 1, sizes: [3, 3], flat: 0 });
  const bad = join(folder, 'bad.jsonl');
  writeFileSync(bad, '{"nothing": 1}\n');
  expect(await runLog({ kind: 'log', path: bad, name: 'bad.jsonl', size: 1 }, context)).toBeNull();
  rmSync(folder, { recursive: true });
});

it('quantiles: all values of a few, 101 of many', () => {
  expect(quantiles([3, 1, 2])).toEqual([1, 2, 3]);
  const many = quantiles(Array.from({ length: 1001 }, (_, i) => i));
  expect([many.length, many[0], many[50], many[100]]).toEqual([101, 0, 500, 1000]);
});
