/**
 * A model's tokenizer from its tokenizer.json and what lies beside it. Used for models, and for logs that hold texts
 * alone: the ids it gives there are most likely those that were sampled, but not surely (a model can write the same text
 * in other tokens), so groups made with it are labelled `retokenized`. Special tokens within a text are known as such;
 * only `encodePrompt` adds any.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../errors.js';
import { badId } from './ids.js';

/** A tokenizer or chat template that cannot be read or used. */
export class TextError extends UserError {
  override name = 'TextError';
}

/** Texts as token ids, and the bytes of ids. */
export interface TextTokenizer {
  /** Token ids of a text, [n]. */
  encode(text: string): Int32Array;
  /** Bytes of one token's text, which may end within a character; `⟨id⟩` where there is no such token. */
  bytes(id: number): Uint8Array;
}

export interface ModelTokenizer extends TextTokenizer {
  /** One more than the largest id. */
  readonly size: number;
  /** Ends a completion: that of the tokenizer, and those that generation_config.json or config.json add. */
  readonly eos: readonly number[];
  readonly pad: number | null;
  /** Token ids of a whole prompt: with the special tokens that the tokenizer itself puts around a text, often none. */
  encodePrompt(text: string): Int32Array;
  /** Text of token ids, special tokens left out. */
  decode(tokens: ArrayLike<number>): string;
  /** Id of one token by its text, special or not. */
  idOf(token: string): number | null;
  /** Files read beside it. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Of another kind the library would make ids without complaint, and wrong ones. */
const KINDS = ['BPE', 'Unigram', 'WordPiece'];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Loads a tokenizer. A tokenizer_config.json and generation_config.json beside it are used if they are there.
 * @param path a tokenizer.json as the Hugging Face libraries write it, or the folder that it lies in
 * @throws TextError where the file cannot be read or is no tokenizer
 */
export async function loadTokenizer(path: string): Promise<ModelTokenizer> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, 'tokenizer.json') : path;
  const data = await readJson(file);
  if (data === null)
    throw new TextError(`tokenizer ${file}: found nothing there; needed is a tokenizer.json`);
  if (!isObject(data) || !isObject(data.model))
    throw new TextError(
      `tokenizer ${file}: has no key 'model'; needed is the tokenizer.json that lies beside a model's weights`,
    );
  const { type } = data.model;
  if (type !== undefined && !KINDS.includes(String(type)))
    throw new TextError(
      `tokenizer ${file}: model.type: found ${String(type)}; allowed are ${KINDS.join(', ')}`,
    );
  const problem = badId(data);
  if (problem !== null) throw new TextError(`tokenizer ${file}: ${problem}`);
  const beside = (name: string): Promise<unknown> => {
    const other = join(dirname(file), name);
    return other === file ? Promise.resolve(null) : readJson(other);
  };
  const found = await beside(basename(file).replace('tokenizer', 'tokenizer_config'));
  const config = isObject(found) ? found : {};
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
  /** An id of the configuration: a token's text, or an object that holds it. */
  const named = (key: string): number | null => {
    const value = config[key];
    const text = isObject(value) ? value.content : value;
    return typeof text === 'string' ? idOf(text) : null;
  };
  const eos = new Set<number>();
  const own = named('eos_token');
  if (own !== null) eos.add(own);
  if (isFolder) {
    for (const name of ['generation_config.json', 'config.json']) {
      const other = await beside(name);
      if (!isObject(other)) continue;
      for (const id of [other.eos_token_id].flat()) if (typeof id === 'number') eos.add(id);
    }
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
 * @throws TextError if the tokenizer makes ids that the model has no row for
 */
export function checkTokenizer({ size }: ModelTokenizer, vocabularySize: number, where: string): void {
  if (size > vocabularySize) {
    throw new TextError(
      `tokenizer ${where}: its ids go up to ${size - 1}, but the model's embedding has ${vocabularySize} rows; needed is the tokenizer of this model`,
    );
  }
}

/** @returns null for a file that is not there */
async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new TextError(`tokenizer ${file}: cannot be read: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new TextError(`tokenizer ${file}: is not JSON: ${messageOf(error)}`);
  }
}
