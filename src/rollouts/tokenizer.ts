/**
 * A model's tokenizer from its tokenizer.json, for logs that hold texts alone: the ids it gives are most likely those
 * that were sampled, but not surely (a model can write the same text in other tokens), so groups made with it are
 * labelled `retokenized`. Special tokens within a text are known as such; none are added.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isObject, messageOf, RolloutError } from './values.js';

export interface TextTokenizer {
  /** Token ids of a text, [n]. */
  encode(text: string): Int32Array;
  /** How one token is shown; a piece of a character is shown as �. */
  show(id: number): string;
}

/** Of another kind the library would make ids without complaint, and wrong ones. */
const KINDS = ['BPE', 'Unigram', 'WordPiece'];

/**
 * Loads a tokenizer. A tokenizer_config.json beside it is used if it is there.
 * @param file a tokenizer.json as the Hugging Face libraries write it
 * @throws RolloutError where the file cannot be read or is no tokenizer
 */
export async function loadTokenizer(file: string): Promise<TextTokenizer> {
  const data = await readJson(file);
  if (data === null)
    throw new RolloutError(`tokenizer ${file}: found nothing there; needed is a tokenizer.json`);
  if (!isObject(data) || !isObject(data.model))
    throw new RolloutError(
      `tokenizer ${file}: has no key 'model'; needed is the tokenizer.json that lies beside a model's weights`,
    );
  const { type } = data.model;
  if (type !== undefined && !KINDS.includes(String(type)))
    throw new RolloutError(
      `tokenizer ${file}: model.type: found ${String(type)}; allowed are ${KINDS.join(', ')}`,
    );
  const beside = join(dirname(file), basename(file).replace('tokenizer', 'tokenizer_config'));
  const config = beside === file ? null : await readJson(beside);
  const { Tokenizer } = await import('@huggingface/tokenizers');
  let tokenizer: InstanceType<typeof Tokenizer>;
  try {
    tokenizer = new Tokenizer(data, config ?? {});
    tokenizer.encode('a', { add_special_tokens: false });
  } catch (error) {
    throw new RolloutError(`tokenizer ${file}: cannot be used: ${messageOf(error)}`);
  }
  const shown = new Map<number, string>();
  return {
    encode: (text) => Int32Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids),
    show(id) {
      const before = shown.get(id);
      if (before !== undefined) return before;
      const known = tokenizer.id_to_token(id) !== undefined;
      const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
      const text = known ? tokenizer.decode([id], options) : `⟨${id}⟩`;
      shown.set(id, text);
      return text;
    },
  };
}

/** @returns null for a file that is not there */
async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new RolloutError(`tokenizer ${file}: cannot be read: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new RolloutError(`tokenizer ${file}: is not JSON: ${messageOf(error)}`);
  }
}
