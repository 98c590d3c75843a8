import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxWatcher } from './box-watcher.js';
import { boxes } from './extract.js';

/** Characters of the text up to and including the token that ends it; all of them if none does. */
function ended(pieces: readonly string[]): string {
  const ends = boxWatcher((token) => pieces[token]);
  let text = '';
  for (let token = 0; token < pieces.length; token++) {
    text += pieces[token];
    if (ends(token)) break;
  }
  return text;
}

describe('the watcher of boxes', () => {
  it.each([
    ['so \\boxed{7} and more', 'so \\boxed{7}'],
    ['\\boxed{\\frac{1}{2}} x', '\\boxed{\\frac{1}{2}}'],
    ['\\boxed {a} x', '\\boxed {a}'],
    ['\\boxed{\\{1, 2\\}} x', '\\boxed{\\{1, 2\\}}'],
    ['{a} \\box{b} boxed{c} }', '{a} \\box{b} boxed{c} }'],
    ['\\boxed{open', '\\boxed{open'],
    [
      'I write it in \\boxed{}: 4, \\boxed{ ~ } \\boxed{...} so \\boxed{4} ok',
      'I write it in \\boxed{}: 4, \\boxed{ ~ } \\boxed{...} so \\boxed{4}',
    ],
    ['<think>maybe \\boxed{9}</think> so \\boxed{4} end', '<think>maybe \\boxed{9}</think> so \\boxed{4}'],
    ['<think>maybe \\boxed{9} and more', '<think>maybe \\boxed{9} and more'],
    ['<think>open \\boxed{9 </think> so \\boxed{4} end', '<think>open \\boxed{9 </think> so \\boxed{4}'],
    ['<think></think>\\boxed{1}<think>\\boxed{2}</think>', '<think></think>\\boxed{1}'],
  ])('%s', (text, expected) => {
    expect(ended([...text])).toBe(expected);
  });

  it('knows of a thinking part that the prompt has opened', () => {
    const ends = boxWatcher((token) => String.fromCharCode(token), true);
    const text = 'maybe \\boxed{9}</think> so \\boxed{4} end';
    const at = [...text].findIndex((character) => ends(character.charCodeAt(0)));
    expect(text.slice(0, at + 1)).toBe('maybe \\boxed{9}</think> so \\boxed{4}');
  });

  it('ends at the same box however the text is cut into tokens', () => {
    const piece = fc.constantFrom(
      '\\boxed{',
      '\\boxed',
      '{',
      '}',
      '\\{',
      '\\}',
      '\\\\',
      'a',
      ' ',
      '\\frac',
      '1',
      '<think>',
      '</think>',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 24 }),
        fc.array(fc.nat({ max: 5 }), { minLength: 1 }),
        (parts, cuts) => {
          const text = parts.join('');
          const whole = ended([...text]);
          const pieces: string[] = [];
          for (let at = 0, i = 0; at < text.length; i++) {
            const length = 1 + cuts[i % cuts.length];
            pieces.push(text.slice(at, at + length));
            at += length;
          }
          // A token is kept whole: the end may be within it.
          const cut = ended(pieces);
          expect(cut.startsWith(whole)).toBe(true);
          expect(cut.length - whole.length).toBeLessThan(6);
          if (whole.length < text.length) expect(boxes(whole).length).toBeGreaterThan(0);
        },
      ),
    );
  });
});
