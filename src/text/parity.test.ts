/** Token ids and chats equal to those of Python's libraries (scripts/python/make_text_fixtures.py). */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadChatTemplate, loadTokenizer } from './files.js';
import { chatTemplate, checkTokenizer, type Message } from './index.js';

const FIXTURES = join(import.meta.dirname, '../../test/text');
const DATA = join(import.meta.dirname, '../../../shared/data/tokenizers');

interface Cases {
  readonly texts: readonly string[];
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly decoded: Readonly<Record<string, readonly string[]>>;
}
const cases = JSON.parse(readFileSync(join(FIXTURES, 'cases.json'), 'utf8')) as Cases;

describe.each(Object.keys(cases.ids))('tokenizer %s', (name) => {
  const folder = name === 'own' ? join(FIXTURES, 'tokenizer') : join(DATA, name);

  it.skipIf(!existsSync(folder))('gives the ids and texts that Python gives', async () => {
    const tokenizer = await loadTokenizer(folder);
    expect(cases.texts.length).toBeGreaterThan(40);
    cases.texts.forEach((text, i) => {
      expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(cases.ids[name][i]);
      expect(tokenizer.decode(cases.ids[name][i])).toBe(cases.decoded[name][i]);
    });
  });
});

describe('a model’s tokenizer', () => {
  it('knows its size, its special tokens and those that end a completion', async () => {
    const tokenizer = await loadTokenizer(join(FIXTURES, 'tokenizer'));
    expect(tokenizer.size).toBe(Math.max(...cases.ids.own.flat(), tokenizer.idOf('<|im_end|>') ?? 0) + 1);
    expect(tokenizer.encodePrompt('a')).toEqual(tokenizer.encode('a'));
    expect(tokenizer.eos).toEqual([tokenizer.idOf('<|im_end|>')]);
    expect(tokenizer.pad).toBe(tokenizer.idOf('<|endoftext|>'));
    expect(tokenizer.idOf('no such token')).toBeNull();
    expect(new TextDecoder().decode(tokenizer.bytes(tokenizer.eos[0]))).toBe('<|im_end|>');
    expect(tokenizer.decode([...tokenizer.encode('a'), tokenizer.eos[0]])).toBe('a');
  });

  it('that is not the model’s is refused', async () => {
    const tokenizer = await loadTokenizer(join(FIXTURES, 'tokenizer'));
    checkTokenizer(tokenizer, tokenizer.size, 'x');
    expect(() => checkTokenizer(tokenizer, 100, 'models/x')).toThrow(
      `tokenizer models/x: expected the tokenizer of this model, whose embedding has 100 rows, got ids up to ${tokenizer.size - 1}`,
    );
  });
});

interface Chats {
  readonly templates: Readonly<Record<string, string>>;
  readonly cases: readonly {
    readonly template: string;
    readonly messages: readonly Message[];
    readonly generation: boolean;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly text: string;
  }[];
}
const chats = JSON.parse(readFileSync(join(FIXTURES, 'chat.json'), 'utf8')) as Chats;

describe('chat template', () => {
  it.each(Object.keys(chats.templates))('%s: renders what transformers renders', (name) => {
    const template = chatTemplate(chats.templates[name], name, {
      bos_token: '<|endoftext|>',
      eos_token: '<|im_end|>',
    });
    const cases = chats.cases.filter(({ template }) => template === name);
    expect(cases.length).toBeGreaterThan(10);
    for (const { messages, generation, variables, text } of cases) {
      expect(template.render(messages, { addGenerationPrompt: generation, variables })).toBe(text);
    }
  });

  it('is found in a folder, in either place and form; the file goes first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-chat-'));
    const user = [{ role: 'user', content: 'x' }];
    try {
      expect(await loadChatTemplate(folder, {})).toBeNull();
      const list = [
        { name: 'tool', template: 'T' },
        { name: 'default', template: '{{ eos_token }}{{ messages[0].content }}' },
      ];
      const config = { chat_template: list, eos_token: { content: 'E' } };
      expect((await loadChatTemplate(folder, config))?.render(user)).toBe('Ex');
      await expect(loadChatTemplate(folder, { chat_template: list.slice(0, 1) })).rejects.toThrow(
        'expected one called default, got tool',
      );
      await expect(loadChatTemplate(folder, { chat_template: 3 })).rejects.toThrow(
        'expected a string or a list, got number',
      );
      await writeFile(join(folder, 'chat_template.jinja'), 'F{{ messages|length }}');
      expect((await loadChatTemplate(folder, config))?.render(user)).toBe('F1');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('that fails says where and why, in one line; the date does not move', () => {
    expect(() => chatTemplate('{% if %}', 'm/chat_template.jinja')).toThrow(
      /^m\/chat_template\.jinja: the chat template cannot be parsed: [^\n]+$/,
    );
    expect(() => chatTemplate('{% for m in messages %}', 'm/x')).toThrow(
      'm/x: the chat template cannot be parsed: a block is not closed',
    );
    const headers = chatTemplate(chats.templates.headers, 'm/x', { bos_token: '', eos_token: '' });
    expect(() => headers.render([{ role: 'judge', content: '' }])).toThrow(
      'm/x: the chat template fails on messages of judge: a role of judge is unknown',
    );
    expect(chatTemplate("{{ strftime_now('%d %b %Y') }}", 'x').render([])).toBe('26 Jul 2024');
  });
});
