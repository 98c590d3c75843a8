/**
 * The part of a tokenizer.json that rewrites a text before it is split, with the same results as the `tokenizers`
 * library. BertNormalizer and Precompiled are those of @huggingface/tokenizers, which are approximate for rare
 * characters.
 */
import { BYTE_LETTERS } from './bytes.js';
import { libraryNormalizer } from './library.js';
import { patternOf } from './pre-tokenizer.js';
import { expression, listed, SPACE } from './unicode.js';
import { MARKS } from './unicode-table.js';

export type Normalizer = (text: string) => string;

type Json = Readonly<Record<string, unknown>>;

/**
 * @param config normalizer of a tokenizer.json
 * @throws Error naming an unsupported type
 */
export function normalizer(config: unknown): Normalizer {
  if (config === null || config === undefined) return (text) => text;
  const { type, ...options } = config as Json & { type?: unknown };
  switch (type) {
    case 'Sequence': {
      const parts = (options.normalizers as unknown[]).map(normalizer);
      return (text) => parts.reduce((before, part) => part(before), text);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => text.normalize(type);
    case 'Lowercase':
      // Character by character: a sigma at the end of a word is treated like any other.
      return (text) => Array.from(text, (character) => character.toLowerCase()).join('');
    case 'Strip': {
      const left =
        options.strip_left === false ? null : new RegExp(`^${expression(`${SPACE}+`).source}`, 'u');
      const right =
        options.strip_right === false ? null : new RegExp(`${expression(`${SPACE}+`).source}$`, 'u');
      return (text) => {
        const from = left ? text.replace(left, '') : text;
        return right ? from.replace(right, '') : from;
      };
    }
    case 'StripAccents': {
      const marks = listed(MARKS);
      return (text) => text.replace(marks, '');
    }
    case 'Prepend':
      return (text) => (text === '' ? '' : `${String(options.prepend)}${text}`);
    case 'Replace': {
      const pattern = patternOf(options.pattern);
      // A function, so that $ in the content is literal.
      return (text) => text.replace(pattern, () => String(options.content ?? ''));
    }
    case 'ByteLevel': {
      const bytes = new TextEncoder();
      return (text) => Array.from(bytes.encode(text), (byte) => BYTE_LETTERS[byte]).join('');
    }
    case 'BertNormalizer':
    case 'Precompiled':
      return libraryNormalizer(config);
    default:
      throw new Error(`normalizer: expected a known type, got ${JSON.stringify(type)}`);
  }
}
