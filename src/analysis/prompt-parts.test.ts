/** Prompts are distinguished by the part that differs (the user's question), in whole words. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { promptParts } from './prompt-parts.js';

const SYSTEM = `<|im_start|>system\n${'You are careful. '.repeat(200)}<|im_end|>\n<|im_start|>user\n`;
const END = '<|im_end|>\n<|im_start|>assistant\n';

describe('prompt parts', () => {
  it('under a chat template the questions are left, whole', () => {
    const questions = ['Tom has 12 apples. How many?', 'Tom has 15 apples. How many?', 'Tom sings.\nWhy?'];
    expect(promptParts(questions.map((question) => SYSTEM + question + END))).toEqual(questions);
  });

  it('no word and no number is cut in two', () => {
    const shared = 'a rather long line that all of the prompts share before it comes to the point: ';
    expect(promptParts([`${shared}123+45=`, `${shared}129+45=`])).toEqual(['123+45=', '129+45=']);
    expect(promptParts(['123+45=', '123+46='])).toEqual(['123+45=', '123+46=']);
  });

  it('one prompt alone gives the last turn of the user, under the templates that are common', () => {
    for (const [before, after] of [
      [SYSTEM, END],
      [
        '<|start_header_id|>user<|end_header_id|>\n\n',
        '<|eot_id|><|start_header_id|>assistant<|end_header_id|>',
      ],
      ['<bos><start_of_turn>user\n', '<end_of_turn>\n<start_of_turn>model\n'],
      ['<s>[INST] ', ' [/INST]'],
      ['<｜User｜>', '<｜Assistant｜><think>\n'],
    ])
      expect(promptParts([`${before}What is 3?${after}`])).toEqual(['What is 3?']);
    expect(promptParts(['plain', 'plain'])).toEqual(['plain', 'plain']);
    expect(promptParts([])).toEqual([]);
  });

  it('each part stands in its prompt, equal prompts have equal parts, and no two prompts have empty ones', () => {
    const prompt = fc.tuple(fc.string(), fc.array(fc.constantFrom('a', 'ab', ' ', '\n', 'b')), fc.string());
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(prompt, { minLength: 1, maxLength: 6 }),
        fc.string(),
        (start, list, end) => {
          const prompts = list.map(([a, b, c]) => start + a + b.join('') + c + end);
          const parts = promptParts(prompts);
          prompts.forEach((text, i) => {
            expect(text).toContain(parts[i]);
            prompts.forEach((other, j) => {
              if (text === other) expect(parts[i]).toBe(parts[j]);
              else if (text.trim() !== other.trim() && text.trim() !== '' && other.trim() !== '')
                expect(parts[i] === '' && parts[j] === '').toBe(false);
            });
          });
        },
      ),
    );
  });
});
