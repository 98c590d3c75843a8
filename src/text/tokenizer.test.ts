/**
 * Texts as token ids. The ids of real tokenizers were computed by the Python library (tokenizers 0.22.1). Their files
 * are not part of this project, so without them that test is skipped.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadTokenizer } from './files.js';

const DATA = join(import.meta.dirname, '../../../shared/data');
const present = existsSync(join(DATA, 'tokenizers'));
if (!present) console.warn(`real tokenizers: skipped, there are none in ${DATA}`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-tokenizer-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const words = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordPiece',
    vocab: { a: 0, b: 1, '?': 2 },
    unk_token: '?',
    continuing_subword_prefix: '##',
  },
};
const utf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const write = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};

test('a tokenizer.json alone is enough; every id can be shown', async () => {
  const { encode, bytes } = await loadTokenizer(await write('tokenizer.json', JSON.stringify(words)));
  expect(encode('b a  c')).toEqual(Int32Array.of(1, 0, 2));
  expect(encode('')).toEqual(new Int32Array(0));
  expect([0, 1, 2, 3].map((id) => utf8(bytes(id)))).toEqual(['a', 'b', '?', '⟨3⟩']);
});

test('what is no tokenizer is refused in one line that names the file', async () => {
  const refused = async (file: string) => {
    const error = await loadTokenizer(file).then(null, (e: Error) => e);
    expect(error).toMatchObject({ name: 'TextError' });
    expect((error as Error).message).toContain(file);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  };
  expect(await refused(join(folder, 'none.json'))).toContain(
    'expected a tokenizer.json, got a path that does not exist',
  );
  expect(await refused(await write('broken.json', '{"model":'))).toContain('is not JSON');
  expect(await refused(await write('config.json', '{"vocab_size":10}'))).toContain(
    "got a file without the key 'model'",
  );
  const unknown = JSON.stringify({ ...words, model: { type: 'WordLevel' } });
  expect(await refused(await write('other.json', unknown))).toContain(
    'expected BPE, Unigram, WordPiece, got WordLevel',
  );
  const half = JSON.stringify({ ...words, model: { type: 'BPE' } });
  expect(await refused(await write('half.json', half))).toContain('cannot be used');
  await mkdir(join(folder, 'empty'));
  expect(await refused(join(folder, 'empty'))).toContain(
    'expected a tokenizer.json, got a path that does not exist',
  );
});

describe.skipIf(!present)('real tokenizers give the ids that the Python library gives', () => {
  const text = "Hello world.  It's naïve — 12 + 3 , ok?\n\n```py\n  x=1\n```<|endoftext|> <|im_start|>user";
  test.each([
    [
      'gpt2',
      '15496 995 13 220 632 338 41492 851 1105 1343 513 837 12876 30 198 198 15506 63 9078 198 220 2124 28 16 198 15506 63 50256 1279 91 320 62 9688 91 29 7220',
      [314331, '3440f8c09388cc4a5b81e9806e59ff56887500ba'],
    ],
    [
      'smollm2',
      '19556 905 30 216 657 506 15486 46494 1841 216 33 34 1232 216 35 3297 10907 47 198 198 3725 1306 3805 1792 45 33 198 3725 0 216 1 4093',
      [341963, 'bcb7d68fd451534e3039835fd02c61fdfb246038'],
    ],
  ])('%s, on a text and on the 800 completions of a log', async (name, ids, whole) => {
    const { encode, bytes } = await loadTokenizer(join(DATA, 'tokenizers', name, 'tokenizer.json'));
    expect([...encode(text)].join(' ')).toBe(ids);
    expect(utf8(Uint8Array.from(Array.from(encode(text)).flatMap((id) => [...bytes(id)])))).toBe(text);
    const hash = createHash('sha1');
    let count = 0;
    const log = await readFile(join(DATA, 'rollouts/qwen25-math_cot_100.jsonl'), 'utf8');
    for (const line of log.trim().split('\n')) {
      for (const response of (JSON.parse(line) as { response: string[] }).response) {
        const tokens = encode(response);
        count += tokens.length;
        hash.update(`${[...tokens].join(',')}\n`);
      }
    }
    expect([count, hash.digest('hex')]).toEqual(whole);
  });
});
