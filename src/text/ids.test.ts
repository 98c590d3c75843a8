import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadTokenizer } from './files.js';
import { TextError } from './tokenizer.js';

let folder: string;
let whole: { model: { vocab: Record<string, unknown> }; added_tokens: { id: unknown; content: string }[] };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-ids-'));
  const file = join(import.meta.dirname, '../../test/text/tokenizer/tokenizer.json');
  whole = JSON.parse(await readFile(file, 'utf8'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(change: (data: typeof whole) => void): Promise<unknown> {
  const data = structuredClone(whole);
  change(data);
  const file = join(folder, 'tokenizer.json');
  await writeFile(file, JSON.stringify(data));
  return loadTokenizer(file).then(
    (tokenizer) => tokenizer.size,
    (error: unknown) => error,
  );
}

test.each<[unknown]>([[2 ** 31], [2 ** 24], [2 ** 53], [1e300], [-1], [1.5], ['7'], [null], [[7]]])(
  'a token of id %j is one line, at once',
  async (id) => {
    const begun = performance.now();
    const shown = JSON.stringify(id).replace(/[[\]+]/g, '\\$&');
    for (const [change, key] of [
      [
        (data: typeof whole) => void Object.assign(data.model.vocab, { extra: id }),
        'model.vocab\\["extra"\\]',
      ],
      [
        (data: typeof whole) => void data.added_tokens.push({ id, content: '<x>' }),
        'added_tokens\\[\\d+\\].id',
      ],
    ] as const) {
      const error = await load(change);
      expect(error).toBeInstanceOf(TextError);
      expect((error as Error).message).toMatch(
        new RegExp(`tokenizer\\.json: ${key}: expected a whole number from 0, below 16777216, got ${shown}$`),
      );
    }
    expect(performance.now() - begun).toBeLessThan(2000);
  },
);

test('gaps between ids are allowed', async () => {
  const size = (await load(() => {})) as number;
  expect(await load((data) => void data.added_tokens.push({ id: size + 1000, content: '<x>' }))).toBe(
    size + 1001,
  );
});
