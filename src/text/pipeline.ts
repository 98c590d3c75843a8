/**
 * Applies a tokenizer.json: added tokens, normalizer, words, merges, and decoding. Merges (BPE, Unigram, WordPiece) and
 * decoders other than the byte level are those of @huggingface/tokenizers. The rest is implemented here, because the
 * library uses JavaScript's white space, letters and digits, which differ from those that models were trained with.
 */
import { Tokenizer } from '@huggingface/tokenizers';
import { type AddedToken, type Section, sections } from './added-tokens.js';
import { byteLevelBytes, fallbackByte, fallbackTexts } from './bytes.js';
import { normalizer } from './normalizer.js';
import { type PreTokenizer, preTokenizer } from './pre-tokenizer.js';
import { type Around, specialTokensAround } from './special-tokens.js';

type Json = Readonly<Record<string, unknown>>;

/** Converts words to tokens; a callable part of the library. */
type Merge = ((words: string[]) => string[]) & {
  readonly tokens_to_ids: Map<string, number>;
  readonly vocab: readonly (string | undefined)[];
  readonly unk_token_id?: number;
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export class Pipeline {
  /** Special tokens around a whole prompt. */
  readonly around: Around;
  private readonly library: Tokenizer;
  private readonly merge: Merge;
  private readonly cut: (text: string) => Section[];
  private readonly words: PreTokenizer;
  private readonly added = new Map<number, AddedToken>();
  /** Removes from a word the letters that the vocabulary lacks, if it has no token for unknown ones. */
  private readonly spelled: (word: string) => string;
  private readonly byteLevel: boolean;
  private readonly fallback: boolean;

  /**
   * @param data a tokenizer.json
   * @param config the tokenizer_config.json beside it
   * @throws Error naming an unsupported part
   */
  constructor(data: Json, config: Json) {
    const all = addedTokens(data, config);
    // These parts of the library are replaced, so it need not support their types.
    this.library = new Tokenizer(
      { ...data, added_tokens: all, normalizer: null, pre_tokenizer: null, post_processor: null },
      config,
    );
    this.merge = this.library.model as unknown as Merge;
    const normalize = normalizer(data.normalizer);
    this.words = preTokenizer(data.pre_tokenizer);
    this.cut = sections(all, normalize);
    this.around = specialTokensAround(data.post_processor);
    this.spelled = spelling(data.model as Json, this.merge.tokens_to_ids);
    for (const token of all) this.added.set(token.id, token);
    this.byteLevel = hasPart(data.decoder, 'ByteLevel', 'decoders');
    this.fallback = hasPart(data.decoder, 'ByteFallback', 'decoders');
  }

  /** One more than the largest id. */
  get size(): number {
    return this.merge.vocab.length;
  }

  idOf(token: string): number | null {
    return this.merge.tokens_to_ids.get(token) ?? null;
  }

  /** Token ids of a text, without special tokens. */
  encode(text: string): number[] {
    const ids: number[] = [];
    const { tokens_to_ids: known, unk_token_id: unknown } = this.merge;
    // Half a surrogate pair is not a character in other languages.
    this.cut(text.replace(/\p{Surrogate}/gu, '\ufffd')).forEach((section, i) => {
      if (typeof section === 'number') {
        ids.push(section);
        return;
      }
      for (const token of this.merge(this.words(section, i === 0).map(this.spelled))) {
        const id = known.get(token) ?? unknown;
        if (id !== undefined) ids.push(id);
      }
    });
    return ids;
  }

  /** Text of ids, without special tokens. */
  decode(tokens: ArrayLike<number>): string {
    const ids = Array.from(tokens).filter((id) => !this.added.get(id)?.special);
    if (ids.length === 0) return '';
    if (!this.byteLevel) {
      if (!this.fallback) {
        return this.library.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
      }
      const parts = fallbackTexts(ids.map((id) => this.merge.vocab[id] ?? ''));
      return this.library.decoder?.decode(parts) ?? parts.join('');
    }
    const bytes = ids.flatMap((id) => Array.from(byteLevelBytes(this.merge.vocab[id] ?? '')));
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  /** Bytes of one token, which may be part of a character; null: there is no such token. */
  bytes(id: number): Uint8Array | null {
    const token = this.merge.vocab[id];
    if (token === undefined) return null;
    const text = new TextEncoder();
    const added = this.added.get(id);
    if (added) return text.encode(added.content);
    if (this.byteLevel) return byteLevelBytes(token);
    const byte = this.fallback ? fallbackByte(token) : null;
    if (byte !== null) return Uint8Array.of(byte);
    // Decoded alone, the first word would lose the space that its mark means.
    if (token.startsWith('▁')) return text.encode(token.replaceAll('▁', ' '));
    return text.encode(
      this.library.decode([id], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    );
  }
}

/** Whether a part of the tokenizer has this type, or is a sequence with such a part. */
function hasPart(part: unknown, type: string, list: string): boolean {
  if (!isObject(part)) return false;
  if (part.type === type) return true;
  const parts = part[list];
  return Array.isArray(parts) && parts.some((inner) => hasPart(inner, type, list));
}

/**
 * Merges without a token for unknown letters remove letters that the vocabulary lacks before merging, so the letters
 * around a removed one may be merged.
 */
function spelling(model: Json, known: ReadonlyMap<string, number>): (word: string) => string {
  const plain = (value: unknown): boolean => value === undefined || value === null || value === '';
  const drops =
    model.type === 'BPE' &&
    model.byte_fallback !== true &&
    [model.unk_token, model.continuing_subword_prefix, model.end_of_word_suffix].every(plain);
  if (!drops) return (word) => word;
  return (word) => {
    for (const letter of word) {
      if (!known.has(letter))
        return Array.from(word)
          .filter((each) => known.has(each))
          .join('');
    }
    return word;
  };
}

/** Tokens of tokenizer.json, and those that only tokenizer_config.json has. */
function addedTokens(data: Json, config: Json): AddedToken[] {
  const all = [...((data.added_tokens ?? []) as AddedToken[])];
  const known = new Set(all.map(({ content }) => content));
  const { vocab } = data.model as { vocab?: unknown };
  const ids = new Map<string, number>(
    Array.isArray(vocab)
      ? vocab.map(([token]: [string], id) => [token, id])
      : Object.entries((vocab ?? {}) as Record<string, number>),
  );
  let next = ids.size;
  for (const id of ids.values()) next = Math.max(next, id + 1);
  for (const { id } of all) next = Math.max(next, id + 1);
  const add = (token: Omit<AddedToken, 'id'>): void => {
    if (known.has(token.content) || token.content === '') return;
    known.add(token.content);
    all.push({ ...token, id: ids.get(token.content) ?? next++ });
  };
  if (isObject(config.added_tokens_decoder)) {
    const listed = Object.entries(config.added_tokens_decoder).sort(([a], [b]) => Number(a) - Number(b));
    for (const [, token] of listed) if (isObject(token)) add(token as unknown as Omit<AddedToken, 'id'>);
  }
  const named = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => config[`${name}_token`]);
  // Additional ones are a list, or have names: { image_token: '<image>' }.
  const further = [config.extra_special_tokens, config.additional_special_tokens].map((tokens) =>
    isObject(tokens) ? Object.values(tokens) : tokens,
  );
  for (const token of [...named, ...further].flat()) {
    const content = isObject(token) ? token.content : token;
    if (typeof content !== 'string') continue;
    add({ ...(isObject(token) ? token : {}), content, special: true });
  }
  return all;
}
