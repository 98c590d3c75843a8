import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../errors.js';
import { tokenValues } from '../objective/index.js';
import { Stream } from '../random/stream.js';
import type { Group } from '../rollouts/index.js';
import { analyzeGroup } from './analyze-group.js';
import { WeightsWriter } from './weights.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weights-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function group(id: string, completions: readonly (readonly number[])[], extra: Partial<Group> = {}): Group {
  return {
    id,
    step: 3,
    prompt: { tokens: new Int32Array() },
    completions: completions.map((tokens, i) => ({ tokens: Int32Array.from(tokens), reward: (i * 7) % 3 })),
    tokens: 'exact',
    groups: 'explicit',
    ...extra,
  };
}

/** The paper's example, a completion without tokens, equal completions, names that need quoting, no step. */
const groups: Group[] = [
  group(
    'p1',
    [
      [1, 2, 3, 4],
      [1, 2, 5, 6, 8, 9],
      [10, 11, 12, 13],
      [10, 11, 12, 14, 17, 19, 20],
    ],
    {
      source: { file: "logs/it's.jsonl", line: 7, format: 'own' },
    },
  ),
  group('p2 "ü"', [[1], [1], [], [1, 2]], { step: null, tokens: 'text-units' }),
  group('p3', [[]]),
];

interface Row {
  step: number | null;
  group_id: string;
  completion: number;
  file: string | null;
  line: number | null;
  reward: number;
  advantage: number;
  token_source: string;
  tokens: number[];
  lambda_weight: number[];
  step_reward: number[];
  step_advantage: number[];
}

/** The expected content of the file, from analyzeGroup alone; Parquet stores values of tokens as float32. */
function expectedRows(groups: readonly Group[], round: (value: number) => number): Row[] {
  return groups.flatMap((g) => {
    const analysis = analyzeGroup(g);
    const values = (i: number, nodes: Float64Array) =>
      Array.from(tokenValues(analysis.tree, i, nodes)).map(round);
    return g.completions.map(({ tokens, reward }, i) => ({
      step: g.step,
      group_id: g.id,
      completion: i,
      file: g.source?.file ?? null,
      line: g.source?.line ?? null,
      reward,
      advantage: analysis.advantages[i],
      token_source: g.tokens,
      tokens: Array.from(tokens),
      lambda_weight: values(i, analysis.lambdaWeights),
      step_reward: values(i, analysis.stepRewards),
      step_advantage: values(i, analysis.stepAdvantages),
    }));
  });
}

async function write(path: string, groups: readonly Group[]): Promise<void> {
  const writer = await WeightsWriter.open(path);
  for (const g of groups) await writer.add(g, analyzeGroup(g));
  await writer.close();
}

async function readParquet(path: string): Promise<Row[]> {
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  const result = await db.runAndReadAll(`FROM read_parquet('${path}')`);
  const rows = result.getRowObjectsJson().map((row) => ({ ...row, line: row.line && Number(row.line) }));
  db.closeSync();
  instance.closeSync();
  return rows as unknown as Row[];
}

describe('weights', () => {
  it('as JSON lines are analyzeGroup’s numbers, one completion a line', async () => {
    const path = join(folder, 'weights.jsonl');
    await write(path, groups);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(expectedRows(groups, (v) => v));
    expect(readdirSync(folder)).toEqual(['weights.jsonl']);
  });

  it('as Parquet are the same numbers in single precision', async () => {
    const path = join(folder, 'weights.parquet');
    await write(path, groups);
    expect(await readParquet(path)).toEqual(expectedRows(groups, Math.fround));
    expect(readdirSync(folder)).toEqual(['weights.parquet']);
  });

  it('keep their order over many batches', async () => {
    const stream = new Stream('weights');
    const many = Array.from({ length: 3 }, (_, n) => {
      const base = Array.from({ length: 300_000 }, () => stream.int(50_000));
      return group(`g${n}`, [
        base,
        base.slice(0, 200_000),
        [...base.slice(0, 100_000), 50_000, ...base],
        [n],
      ]);
    });
    const path = join(folder, 'weights.parquet');
    await write(path, many);
    const rows = await readParquet(path);
    const expected = expectedRows(many, Math.fround);
    expect(rows.map(({ group_id, completion }) => [group_id, completion])).toEqual(
      expected.map(({ group_id, completion }) => [group_id, completion]),
    );
    rows.forEach((row, i) => {
      for (const key of ['tokens', 'lambda_weight', 'step_reward', 'step_advantage'] as const) {
        expect(
          Buffer.from(Float64Array.from(row[key]).buffer).equals(
            Buffer.from(Float64Array.from(expected[i][key]).buffer),
          ),
        ).toBe(true);
      }
    });
  });

  it('of no group are a file without rows', async () => {
    for (const form of ['jsonl', 'parquet']) await write(join(folder, `none.${form}`), []);
    expect(readFileSync(join(folder, 'none.jsonl'), 'utf8')).toBe('');
    expect(await readParquet(join(folder, 'none.parquet'))).toEqual([]);
  });

  it('leave nothing after abort, and the file of that name as it was', async () => {
    for (const form of ['jsonl', 'parquet']) {
      const path = join(folder, `weights.${form}`);
      writeFileSync(path, 'before');
      const writer = await WeightsWriter.open(path);
      await writer.add(groups[0], analyzeGroup(groups[0]));
      await writer.abort();
      expect(readdirSync(folder)).toEqual([`weights.${form}`]);
      expect(readFileSync(path, 'utf8')).toBe('before');
      rmSync(path);
    }
  });

  it('that cannot be written are one line for the user', async () => {
    const ending = await WeightsWriter.open('weights.csv').catch((error) => error);
    expect(ending).toBeInstanceOf(UserError);
    expect(ending.message).toBe(
      'weights file: expected a name that ends in .jsonl or .parquet, got weights.csv',
    );
    for (const form of ['jsonl', 'parquet']) {
      const path = join(folder, 'none', `weights.${form}`);
      const error = await WeightsWriter.open(path).catch((e) => e);
      expect(error).toBeInstanceOf(UserError);
      expect(error.message).toBe(
        `${path}: cannot be written: its folder does not exist or was removed (ENOENT)`,
      );
    }
  });

  it('refuse the analysis of another group', async () => {
    const writer = await WeightsWriter.open(join(folder, 'weights.jsonl'));
    await expect(writer.add(groups[0], analyzeGroup(groups[2]))).rejects.toThrow(
      'group p1 has 4 completions, the analysis 1',
    );
    await writer.abort();
  });
});
