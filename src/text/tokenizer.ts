/**
 * A model's tokenizer from its tokenizer.json and the files beside it (files.ts reads them). Used for models, and for
 * logs that only hold texts. There its ids are most likely the sampled ones, but not certainly (a model can write the
 * same text with other tokens), so such groups are labelled `retokenized`. Special tokens within a text are recognised;
 * only `encodePrompt` adds any.
 */
import { UserError } from '../errors.js';
import { badId } from './ids.js';

/** A tokenizer or chat template that cannot be read or used. */
export class TextError extends UserError {
  override name = 'TextError';
}

/** Converts texts to token ids, and ids to bytes. */
export interface TextTokenizer {
  /** Token ids of a text, [n]. */
  encode(text: string): Int32Array;
  /** Bytes of one token's text, which may end within a character; `⟨id⟩` if there is no such token. */
  bytes(id: number): Uint8Array;
}

export interface ModelTokenizer extends TextTokenizer {
  /** One more than the largest id. */
  readonly size: number;
  /** Tokens that end a completion: that of the tokenizer, and those that generation_config.json or config.json add. */
  readonly eos: readonly number[];
  readonly pad: number | null;
  /** Token ids of a whole prompt: with the special tokens that the tokenizer adds around a text, often none. */
  encodePrompt(text: string): Int32Array;
  /** Text of token ids, without special tokens. */
  decode(tokens: ArrayLike<number>): string;
  /** Id of one token by its text, special or not. */
  idOf(token: string): number | null;
  /** Files read beside it. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** With another type of tokenizer the library would silently return wrong ids. */
const KINDS = ['BPE', 'Unigram', 'WordPiece'];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Parsed files from the folder of a tokenizer.json. */
export interface TokenizerSettings {
  /** tokenizer_config.json. */
  readonly config?: unknown;
  /** Files that name further end tokens: generation_config.json, config.json. */
  readonly models?: readonly unknown[];
}

/**
 * A tokenizer from parsed files.
 * @param data a tokenizer.json as the Hugging Face libraries write it
 * @param file its name, for messages
 * @throws TextError if it is not a tokenizer
 */
export async function modelTokenizer(
  data: unknown,
  file: string,
  { config: settings, models = [] }: TokenizerSettings = {},
): Promise<ModelTokenizer> {
  if (!isObject(data) || !isObject(data.model))
    throw new TextError(
      `tokenizer ${file}: expected the tokenizer.json of a model, got a file without the key 'model'`,
    );
  const { type } = data.model;
  if (type !== undefined && !KINDS.includes(String(type)))
    throw new TextError(`tokenizer ${file}: model.type: expected ${KINDS.join(', ')}, got ${String(type)}`);
  const problem = badId(data);
  if (problem !== null) throw new TextError(`tokenizer ${file}: ${problem}`);
  const config = isObject(settings) ? settings : {};
  const { Pipeline } = await import('./pipeline.js');
  let pipeline: InstanceType<typeof Pipeline>;
  try {
    pipeline = new Pipeline(data, config);
    pipeline.encode('a');
  } catch (error) {
    throw new TextError(`tokenizer ${file}: cannot be used: ${messageOf(error)}`);
  }
  const { size } = pipeline;
  const idOf = (token: string): number | null => pipeline.idOf(token);
  /** A token in the configuration: a text, or an object that holds it. */
  const named = (key: string): number | null => {
    const value = config[key];
    const text = isObject(value) ? value.content : value;
    return typeof text === 'string' ? idOf(text) : null;
  };
  const eos = new Set<number>();
  const end = named('eos_token');
  if (end !== null) eos.add(end);
  for (const model of models) {
    if (!isObject(model)) continue;
    for (const id of [model.eos_token_id].flat()) if (typeof id === 'number') eos.add(id);
  }
  const { before, after } = pipeline.around;
  return {
    size,
    eos: [...eos],
    pad: named('pad_token'),
    config,
    idOf,
    encode: (text) => Int32Array.from(pipeline.encode(text)),
    encodePrompt: (text) => Int32Array.from([...before, ...pipeline.encode(text), ...after]),
    decode: (tokens) => pipeline.decode(tokens),
    bytes: (id) => pipeline.bytes(id) ?? new TextEncoder().encode(`⟨${id}⟩`),
  };
}

/**
 * @param vocabularySize rows of the model's embedding
 * @throws TextError if the tokenizer has ids beyond the model's rows
 */
export function checkTokenizer({ size }: ModelTokenizer, vocabularySize: number, where: string): void {
  if (size > vocabularySize) {
    throw new TextError(
      `tokenizer ${where}: expected the tokenizer of this model, whose embedding has ${vocabularySize} rows, got ids up to ${size - 1}`,
    );
  }
}
