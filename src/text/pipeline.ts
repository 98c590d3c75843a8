/**
 * A tokenizer.json at work: added tokens, normalizer, words, merges, and back. Merges (BPE, Unigram, WordPiece) and decoders
 * other than the byte level are those of @huggingface/tokenizers; the rest is done here, because the library does it with
 * JavaScript's white space, letters and digits, which are not those that models were trained with.
 */
import { Tokenizer } from '@huggingface/tokenizers';
import { type AddedToken, type Section, sections } from './added-tokens.js';
import { byteLevelBytes, fallbackByte, fallbackTexts } from './bytes.js';
import { normalizer } from './normalizer.js';
import { type PreTokenizer, preTokenizer } from './pre-tokenizer.js';
import { type Around, specialTokensAround } from './special-tokens.js';

type Json = Readonly<Record<string, unknown>>;

/** Words to tokens; a part of the library that can be called. */
type Merge = ((words: string[]) => string[]) & {
  readonly tokens_to_ids: Map<string, number>;
  readonly vocab: readonly (string | undefined)[];
  readonly unk_token_id?: number;
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export class Pipeline {
  /** Special tokens that go around a whole prompt. */
  readonly around: Around;
  private readonly library: Tokenizer;
  private readonly merge: Merge;
  private readonly cut: (text: string) => Section[];
  private readonly words: PreTokenizer;
  private readonly added = new Map<number, AddedToken>();
  /** A word without the letters that the vocabulary lacks, where nothing stands for them. */
  private readonly spelled: (word: string) => string;
  private readonly byteLevel: boolean;
  private readonly fallback: boolean;

  /**
   * @param data a tokenizer.json
   * @param config the tokenizer_config.json beside it
   * @throws Error naming a part that is not had
   */
  constructor(data: Json, config: Json) {
    const all = addedTokens(data, config);
    // The library's own parts are replaced, so it need not know theirs.
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

  /** Token ids of a text, none added. */
  encode(text: string): number[] {
    const ids: number[] = [];
    const { tokens_to_ids: known, unk_token_id: unknown } = this.merge;
    // Half a pair of surrogates is no character in any other language.
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

  /** Text of ids, special tokens left out. */
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

  /** Bytes of one token, which may be a part of a character; null: there is no such token. */
  bytes(id: number): Uint8Array | null {
    const token = this.merge.vocab[id];
    if (token === undefined) return null;
    const text = new TextEncoder();
    const added = this.added.get(id);
    if (added) return text.encode(added.content);
    if (this.byteLevel) return byteLevelBytes(token);
    const byte = this.fallback ? fallbackByte(token) : null;
    if (byte !== null) return Uint8Array.of(byte);
    // Decoded alone, the first word would lose the space that a mark stands for.
    if (token.startsWith('▁')) return text.encode(token.replaceAll('▁', ' '));
    return text.encode(
      this.library.decode([id], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    );
  }
}

/** Whether a part of the tokenizer is of this type, or a sequence with one that is. */
function hasPart(part: unknown, type: string, list: string): boolean {
  if (!isObject(part)) return false;
  if (part.type === type) return true;
  const parts = part[list];
  return Array.isArray(parts) && parts.some((inner) => hasPart(inner, type, list));
}

/**
 * Merges without a token for what is unknown leave out letters that the vocabulary lacks, before they begin: those beside
 * such a letter may be merged.
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

/** Tokens of tokenizer.json, and those that tokenizer_config.json alone has. */
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
  // Further ones are a list, or have names: { image_token: '<image>' }.
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
