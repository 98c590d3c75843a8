import { describe, expect, it } from 'vitest';
import { type SolutionOptions, solutionExamples, solutionOf } from './solutions.js';
import { pieceVocabulary } from './vocabulary.js';

const vocabulary = pieceVocabulary({ pieces: ['<bos>', '<end>', ...'abc:'], bos: '<bos>', eos: '<end>' });
const options: SolutionOptions = {
  vocabulary,
  end: vocabulary.eos,
  render: (messages) =>
    messages.map(({ role, content }) => `${role[0] === 'u' ? 'a' : 'b'}:${content}`).join(''),
  context: 12,
  seed: 1,
};
const example = (row: Record<string, unknown>, change: Partial<SolutionOptions> = {}) =>
  solutionExamples([solutionOf(row, 'my.jsonl:3')], { ...options, ...change })(0);
const texts = ({ promptTokens, completionTokens }: ReturnType<typeof example>) => [
  [...promptTokens].map((id) => vocabulary.tokenText(id)).join(''),
  [...completionTokens].map((id) => vocabulary.tokenText(id)).join(''),
];

describe('solutions of the user’s own', () => {
  it.each([
    [
      'messages',
      {
        messages: [
          { role: 'user', content: 'ab' },
          { role: 'assistant', content: 'c' },
        ],
      },
      ['a:ab', 'c<end>'],
    ],
    [
      'two turns before',
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
          { role: 'user', content: 'c' },
          { role: 'assistant', content: 'ca' },
        ],
      },
      ['a:ab:ba:c', 'ca<end>'],
    ],
    ['texts', { prompt: 'ab', completion: 'cc' }, ['<bos>ab', 'cc<end>']],
    ['other names', { question: 'a', answer: 'b', id: 7 }, ['<bos>a', 'b<end>']],
    [
      'lists of messages',
      { prompt: [{ role: 'user', content: 'b' }], completion: [{ role: 'assistant', content: 'a' }] },
      ['a:b', 'a<end>'],
    ],
  ])('%s: the prompt as the model is asked, the completion with its end', (_, row, expected) => {
    expect(texts(example(row))).toEqual(expected);
  });

  it.each([
    [
      'no assistant at the end',
      {
        messages: [
          { role: 'assistant', content: 'a' },
          { role: 'user', content: 'a' },
        ],
      },
      "my.jsonl:3: messages: expected a prompt and then the assistant's answer, got assistant, user",
    ],
    [
      'an answer alone',
      { messages: [{ role: 'assistant', content: 'a' }] },
      "my.jsonl:3: messages: expected a prompt and then the assistant's answer, got assistant",
    ],
    [
      'no completion',
      { prompt: 'a', text: 'b' },
      'my.jsonl:3: expected messages, or prompt and completion, got prompt, text',
    ],
    [
      'a message without content',
      { messages: [{ role: 'user' }] },
      'my.jsonl:3: messages: message 0: expected { role, content } with two strings, got {"role":"user"}',
    ],
    [
      'a number',
      { prompt: 3, completion: 'a' },
      'my.jsonl:3: prompt: expected a string or a list of messages, got 3',
    ],
    ['no message', { messages: [] }, 'my.jsonl:3: messages: expected a string or a list of messages, got []'],
    ['an empty row', {}, 'my.jsonl:3: expected messages, or prompt and completion, got an empty row'],
    [
      'too long',
      { prompt: 'abcabc', completion: 'abcabc' },
      "my.jsonl:3: expected at most 12 tokens, the model's context, got 14",
    ],
  ])('%s: one line with file and line', (_, row, line) => {
    expect(() => example(row)).toThrow(line);
  });

  it('messages for a model without a template', () => {
    const row = {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'a' },
      ],
    };
    expect(() => example(row, { render: null })).toThrow(
      'my.jsonl:3: expected a string as prompt, got messages: the model has no chat template to render them',
    );
  });

  it('each comes once in a round, in an order that follows from the seed', () => {
    const solutions = [...'abc'].flatMap((a) =>
      [...'abc'].map((b) => solutionOf({ prompt: a, completion: b }, `${a}${b}`)),
    );
    const round = (seed: number, n: number) => {
      const nth = solutionExamples(solutions, { ...options, seed });
      return Array.from({ length: 9 }, (_, i) => texts(nth(9 * n + i)).join(' '));
    };
    const all = round(1, 0);
    expect(new Set(all).size).toBe(9);
    expect(round(1, 0)).toEqual(all);
    expect(round(1, 1)).not.toEqual(all);
    expect([...round(1, 1)].sort()).toEqual([...all].sort());
    expect(round(2, 0)).not.toEqual(all);
  });
});
