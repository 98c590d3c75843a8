/**
 * Random strings over all of Unicode, compared with Python's `tokenizers` (scripts/python/make_tokenizer_fixtures.py).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer } from './files.js';
import type { ModelTokenizer } from './index.js';

const FIXTURES = join(import.meta.dirname, '../../test/text/unicode');
const DATA = join(import.meta.dirname, '../../../shared/data/tokenizers');
const read = (name: string): unknown => JSON.parse(readFileSync(join(FIXTURES, name), 'utf8'));

const texts = read('texts.json') as string[];
const others = read('others.json') as Record<string, number[][]>;
const names = readdirSync(FIXTURES).filter((name) => !/^(texts|others|plain|configured)\.json$/.test(name));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-unicode-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function load(tokenizer: unknown, config?: unknown): Promise<ModelTokenizer> {
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config ?? {}));
  return loadTokenizer(folder);
}

function expectIds(tokenizer: ModelTokenizer, ids: readonly (readonly number[])[]): void {
  expect(ids.length).toBe(texts.length);
  texts.forEach((text, i) => {
    const points = Array.from(text, (c) => c.codePointAt(0)?.toString(16)).join(' ');
    expect([...tokenizer.encode(text)], points).toEqual(ids[i]);
  });
}

describe('any string becomes the ids that Python gives', () => {
  it.each(names)('%s', async (name) => {
    const {
      tokenizer: data,
      ids,
      broken,
    } = read(name) as {
      tokenizer: unknown;
      ids: number[][];
      broken: { ids: number[]; text: string }[];
    };
    const tokenizer = await load(data);
    expectIds(tokenizer, ids);
    expect(broken.length).toBeGreaterThan(50);
    for (const { ids: drawn, text } of broken) expect(tokenizer.decode(drawn), drawn.join()).toBe(text);
  });

  it.each(Object.keys(others))('%s, a real one', async (name) => {
    if (existsSync(join(DATA, name))) expectIds(await loadTokenizer(join(DATA, name)), others[name]);
  });

  it('half a pair of surrogates is the character for what is none', async () => {
    const { tokenizer: data } = read('llama3.json') as { tokenizer: unknown };
    const tokenizer = await load(data);
    expect(tokenizer.encode('a\ud83d b')).toEqual(tokenizer.encode('a\ufffd b'));
    expect(tokenizer.encode('\udcf0')).toEqual(tokenizer.encode('\ufffd'));
  });
});

describe('a plain prompt', () => {
  const cases = read('plain.json') as {
    name: string;
    post_processor: unknown;
    config: Record<string, unknown>;
    ids: number[];
  }[];

  it('begins with what tokenizer.json puts there, whatever bos_token and add_bos_token say', async () => {
    const definition = JSON.parse(
      readFileSync(join(FIXTURES, '../tokenizer/tokenizer.json'), 'utf8'),
    ) as object;
    const lengths = new Set<number>();
    for (const { post_processor, config, ids, name } of cases) {
      const tokenizer = await load({ ...definition, post_processor }, config);
      expect([...tokenizer.encodePrompt('What is 3 + 5?')], `${name} ${JSON.stringify(config)}`).toEqual(ids);
      lengths.add(ids.length);
    }
    expect(lengths.size).toBe(3);
  });
});

describe('tokens that tokenizer_config.json alone has', () => {
  const cases = read('configured.json') as {
    config: Record<string, unknown>;
    text: string;
    ids: number[];
    decoded: string;
  }[];
  it.each(cases)(
    '$config: have the ids that transformers gives them',
    async ({ config, text, ids, decoded }) => {
      const definition = JSON.parse(
        readFileSync(join(FIXTURES, '../tokenizer/tokenizer.json'), 'utf8'),
      ) as object;
      const tokenizer = await load(definition, config);
      expect([...tokenizer.encode(text)]).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
    },
  );
});

describe('bytes of tokens', () => {
  it.each(['llama3.json', 'llama2.json'])('%s: those of a text’s tokens are its own', async (name) => {
    const { tokenizer: data } = read(name) as { tokenizer: unknown };
    const tokenizer = await load(data);
    for (const text of texts) {
      const bytes = Array.from(tokenizer.encode(text)).flatMap((id) => [...tokenizer.bytes(id)]);
      const decoded = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(
        Uint8Array.from(bytes),
      );
      // Llama 2's normalizer puts a space before every text, and uses one sign for the space and for its mark.
      expect(decoded).toBe(name === 'llama3.json' ? text : ` ${text.replaceAll('▁', ' ')}`);
    }
  });
});
