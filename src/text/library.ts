/**
 * Access to single parts of @huggingface/tokenizers, which offers them only inside a whole tokenizer: an empty
 * tokenizer is created around each.
 */
import { Tokenizer } from '@huggingface/tokenizers';

const EMPTY = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: 'BPE', vocab: {}, merges: [] },
};

/**
 * Converts a pattern of the `tokenizers` library (Oniguruma) to JavaScript. @throws SyntaxError if that is impossible
 */
export function translatedPattern(source: string): string {
  const part = { type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false };
  const { pre_tokenizer: split } = new Tokenizer({ ...EMPTY, pre_tokenizer: part }, {});
  const { pattern } = split as unknown as { pattern: RegExp | null };
  if (!pattern) throw new SyntaxError(`the pattern ${source} cannot be translated`);
  return pattern.source;
}

/** A normalizer of the library. @throws Error for a type that it does not support */
export function libraryNormalizer(config: unknown): (text: string) => string {
  const { normalizer } = new Tokenizer({ ...EMPTY, normalizer: config }, {});
  return (text) => (normalizer ? normalizer.normalize(text) : text);
}
