/** Reads a model's tokenizer and chat template from the files of its folder, on Node.js. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ChatTemplate, chatTemplate, configuredTemplate, specialTexts } from './chat-template.js';
import { type ModelTokenizer, modelTokenizer, TextError } from './tokenizer.js';

/**
 * Loads a tokenizer. A tokenizer_config.json and generation_config.json beside it are used if they exist.
 * @param path a tokenizer.json as the Hugging Face libraries write it, or its folder
 * @throws TextError if the file cannot be read or is not a tokenizer
 */
export async function loadTokenizer(path: string): Promise<ModelTokenizer> {
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, 'tokenizer.json') : path;
  const data = await readJson(file);
  if (data === null)
    throw new TextError(`tokenizer ${file}: expected a tokenizer.json, got a path that does not exist`);
  const beside = async (name: string): Promise<unknown> => {
    const other = join(dirname(file), name);
    return other === file ? null : readJson(other);
  };
  const config = await beside(basename(file).replace('tokenizer', 'tokenizer_config'));
  const models: unknown[] = [];
  if (isFolder) for (const name of ['generation_config.json', 'config.json']) models.push(await beside(name));
  return modelTokenizer(data, file, { config, models });
}

/**
 * The chat template of a model's folder.
 * @param config its tokenizer_config.json
 * @returns null if the folder has none
 * @throws TextError if it is invalid, or if there are several and none is called default
 */
export async function loadChatTemplate(
  folder: string,
  config: Readonly<Record<string, unknown>>,
): Promise<ChatTemplate | null> {
  const file = join(folder, 'chat_template.jinja');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new TextError(`${file}: cannot be read: ${error.message}`);
  });
  if (text !== null) return chatTemplate(text, file, specialTexts(config));
  return configuredTemplate(config, join(folder, 'tokenizer_config.json'));
}

/** @returns null for a file that does not exist */
async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new TextError(`tokenizer ${file}: cannot be read: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new TextError(`tokenizer ${file}: is not JSON: ${(error as Error).message}`);
  }
}
