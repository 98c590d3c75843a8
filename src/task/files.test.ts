import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from './files.js';
import { answersEqual, extractAnswer } from './math/index.js';

const DATA = join(import.meta.dirname, '../../../shared/data/math');
const answerOf = (solution: string): string | null => extractAnswer(solution, true)?.answer ?? null;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-dataset-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe.skipIf(!existsSync(DATA))('the known datasets', () => {
  it.each([
    ['gsm8k_train', 7473, 0, '72'],
    ['gsm8k_test', 1319, 0, '18'],
    ['math500', 500, 0, '\\left( 3, \\frac{\\pi}{2} \\right)'],
    ['aime24', 30, 0, '204'],
    ['amc23', 40, 0, '27.0'],
    ['minerva_math', 272, 0, '1.6'],
    ['olympiadbench', 675, 0, '2'],
  ])('%s: %i problems, each with an answer', async (name, count, at, answer) => {
    const rows = await readDataset(join(DATA, `${name}.jsonl`), {}, answerOf);
    expect(rows).toHaveLength(count);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(count);
    expect(answersEqual(rows[at].answer, answer), rows[at].answer).toMatchObject({ equal: true });
    for (const row of rows) expect(row.problem.length).toBeGreaterThan(10);
  });
});

describe('a dataset', () => {
  it('is read from JSON lines, a JSON list and Parquet alike', async () => {
    const rows = [
      { unique_id: 'a', problem: 'p', answer: 1.5, solution: 's' },
      { unique_id: 'b', problem: 'q', answer: '\\frac{1}{2}', solution: 't' },
    ];
    const lines = await file('a.jsonl', rows.map((row) => JSON.stringify(row)).join('\n\n'));
    const list = await file('a.json', JSON.stringify(rows));
    const parquet = join(folder, "it's.parquet");
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(
      `COPY (SELECT 'a' AS unique_id, 'p' AS problem, '1.5' AS answer, 's' AS solution UNION ALL SELECT 'b', 'q', '\\frac{1}{2}', 't') TO '${parquet.replaceAll("'", "''")}' (FORMAT parquet)`,
    );
    connection.closeSync();
    const expected = [
      { id: 'a', problem: 'p', answer: '1.5', solution: 's' },
      { id: 'b', problem: 'q', answer: '\\frac{1}{2}', solution: 't' },
    ];
    for (const path of [lines, list, parquet])
      expect(await readDataset(path, {}, answerOf)).toEqual(expected);
  });

  it('takes an answer from a column named, from behind ####, from a list, or from a solution’s last box', async () => {
    const answerRead = async (row: object, columns = {}) =>
      (await readDataset(await file('one.jsonl', JSON.stringify(row)), columns, answerOf))[0].answer;
    expect(await answerRead({ q: 'x', a: '7' }, { problem: 'q', answer: 'a' })).toBe('7');
    expect(await answerRead({ question: 'x', answer: 'so 1+1=2\n#### 2\n' })).toBe('2');
    expect(await answerRead({ question: 'x', final_answer: ['1', '2'] })).toBe('1, 2');
    expect(await answerRead({ problem: 'x', solution: 'first \\boxed{1}, then \\boxed{2}.' })).toBe('2');
  });

  it.each([
    ['none.jsonl', '', 'expected at least one row, got none'],
    ['list.json', '{}', 'expected a list of problems, got something else'],
    ['a.jsonl', '[1]', ':1: expected an object for each problem, got [1]'],
    [
      'b.jsonl',
      '{"problem":"p"}',
      'expected a column of answers, got problem; name the column with task.columns.answer',
    ],
    [
      'c.jsonl',
      '{"problem":"p","answer":"1"}\n{"problem":" ","answer":"1"}',
      ':2: problem: expected the problem\'s text, got " "',
    ],
    [
      'd.jsonl',
      '{"problem":"p","answer":"1"}\n\n{"problem":"p","answer":""}',
      ':3: answer: expected an answer, got ""',
    ],
    ['e.jsonl', '{"problem":"p","solution":"no box"}', ':1: solution: expected an answer, got "no box"'],
    ['f.parquet', 'PAR1', 'cannot be read as Parquet'],
  ])('%s: what is wrong is one line', async (name, text, line) => {
    const error = await readDataset(await file(name, text), {}, answerOf).catch((e: Error) => e);
    expect((error as Error).message).toContain(line);
    expect((error as Error).message).not.toContain('\n');
    expect((error as Error).name).toBe('TaskError');
  });

  it('has every number digit by digit, as an answer, in a list and as an id, in all kinds of files', async () => {
    // Python's Decimal writes these numbers the same way, except for trailing zeros.
    const numbers: [string, string][] = [
      ['12345678901234567891', '12345678901234567891'],
      ['9007199254740993', '9007199254740993'],
      ['-9007199254740993', '-9007199254740993'],
      ['0.1234567890123456789', '0.1234567890123456789'],
      ['1.5e-7', '0.00000015'],
      ['1e21', '1000000000000000000000'],
      ['1e400', `1${'0'.repeat(400)}`],
      ['3.0', '3'],
      ['-0', '0'],
      ['1.50', '1.5'],
    ];
    const rows = numbers.map(([text]) => `{"id":${text},"question":"q","answer":${text}}`);
    const lists = numbers.map(([text]) => `{"question":"q","answer":[${text},7]}`);
    const files = {
      'n.jsonl': rows.join('\n'),
      'n.json': `[${rows.join(',')}]`,
    };
    const expected = numbers.map(([, text]) => text);
    for (const [name, text] of Object.entries(files)) {
      const read = await readDataset(await file(name, text), {}, answerOf);
      expect(
        read.map(({ answer }) => answer),
        name,
      ).toEqual(expected);
      expect(
        read.map(({ id }) => id),
        name,
      ).toEqual(expected);
    }
    const packed = join(folder, 'n.jsonl.gz');
    await writeFile(packed, gzipSync(rows.join('\n')));
    expect((await readDataset(packed, {}, answerOf)).map(({ answer }) => answer)).toEqual(expected);
    const read = await readDataset(await file('l.jsonl', lists.join('\n')), {}, answerOf);
    expect(read.map(({ answer }) => answer)).toEqual(expected.map((text) => `${text}, 7`));
  });

  it.each([
    ['BIGINT', '9007199254740993', '9007199254740993'],
    ['UBIGINT', '18446744073709551615', '18446744073709551615'],
    ['DECIMAL(38,19)', '0.1234567890123456789', '0.1234567890123456789'],
    ['DOUBLE', '1.5e-7', '0.00000015'],
    ['INTEGER', '7', '7'],
    ['VARCHAR', '007', '007'],
    ['BIGINT[]', '[9007199254740993, 2]', '9007199254740993, 2'],
  ])('has the numbers of a Parquet column of %s', async (type, text, answer) => {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const path = join(folder, 'typed.parquet');
    await connection.run(
      `COPY (SELECT 'q' AS question, '${text}'::${type} AS answer) TO '${path}' (FORMAT parquet)`,
    );
    connection.closeSync();
    expect((await readDataset(path, {}, answerOf))[0].answer).toBe(answer);
  });

  it.each(['NaN', 'Infinity', '1e99999', '-Infinity', 'true', 'null', '[1,null]', '{}'])(
    'refuses %s as an answer, as it stands',
    async (text) => {
      const path = await file('bad.jsonl', `{"question":"q","answer":${text}}`);
      await expect(readDataset(path, {}, answerOf)).rejects.toThrow(
        /bad\.jsonl:1: answer: expected .*, got /,
      );
    },
  );

  it('that is no UTF-8 is refused', async () => {
    const path = join(folder, 'latin.jsonl');
    await writeFile(path, Buffer.from([0x7b, 0xe9, 0x7d]));
    await expect(readDataset(path, {}, answerOf)).rejects.toThrow(
      'expected .jsonl, .json or .parquet, got bytes that are not UTF-8',
    );
  });
});
