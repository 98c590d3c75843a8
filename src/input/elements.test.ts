import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileSource } from './files.js';
import { elementsOf, InputError, WrittenNumber } from './index.js';

let file: string;
beforeAll(async () => {
  file = join(await mkdtemp(join(tmpdir(), 'elements-')), 'a.json');
});
afterAll(() => rm(join(file, '..'), { recursive: true }));

const plain = (value: unknown): unknown => {
  if (value instanceof WrittenNumber) return value.toNumber();
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as unknown[], plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};
async function elements(text: string, path: string[]): Promise<unknown[]> {
  await writeFile(file, text);
  const list: unknown[] = [];
  for await (const { value } of elementsOf(fileSource(file), [path])) list.push(plain(value));
  return list;
}

describe('a document', () => {
  test('gives the items of a list as JSON.parse has them, of whatever kind', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 5 }),
        fc.constantFrom(undefined, 2),
        async (list, space) => {
          const text = JSON.stringify(list, null, space);
          // JSON text has no −0.
          expect(await elements(text, ['*'])).toEqual(JSON.parse(text));
          expect(await elements(`{"a b":1,"\\u006b":${text},"z":[[5,"]"]]}`, ['k', '*'])).toEqual(
            JSON.parse(text),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test('gives the same wherever a chunk of the file ends', async () => {
    const text = '[1,{"a":"x\\"]"},"y,",[2,[3]],null , -1.5e3]';
    for (let before = 0; before <= text.length; before++) {
      const padded = `${' '.repeat((1 << 20) - before)}${text}`;
      expect(await elements(padded, ['*']), `${before}`).toEqual(JSON.parse(text));
    }
  });

  test.each([
    '[1 2]',
    '[{} {}]',
    '[{}5]',
    '["a""b"]',
    '[[1][2]]',
    '[1]x',
    '[1][2]',
    '[1]{}',
    '[1}',
    '[tru]',
    '[1,{"a":1}',
    '[1,"a',
    '[01]',
    '[1',
  ])('%s is refused', async (text) => {
    expect(() => JSON.parse(text)).toThrow();
    await expect(elements(text, ['*'])).rejects.toThrow(InputError);
  });

  test('beyond the limits is refused before it is read to its end', async () => {
    await expect(elements('['.repeat(5_000_000), ['*'])).rejects.toThrow(/at most 500 levels/);
    await expect(elements('{"a":'.repeat(1_000_000), ['*'])).rejects.toThrow(/at most 500 levels/);
    await expect(elements(`["${'x'.repeat(20_000_000)}"]`, ['k', '*'])).rejects.toThrow(/strings of at most/);
    await expect(elements(`{"${'k'.repeat(100_000)}":1}`, ['k', '*'])).rejects.toThrow(
      /keys of at most 65536/,
    );
  });
});
