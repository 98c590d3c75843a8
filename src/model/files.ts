/**
 * Models and adapters as folders on Node.js. A folder is first written under a temporary name, so it is complete or
 * absent. checkpoint.ts, safetensors.ts and lora.ts define the content of the files.
 */
import { constants, existsSync } from 'node:fs';
import { access, open, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { copy, makeFolder, WholeFile, writeFolder } from '../files/index.js';
import type { StoredValues } from '../graph/index.js';
import {
  type Checkpoint,
  CONFIG,
  checkpointIn,
  readJson,
  type StoredWeights,
  weightNames,
  writeModel,
} from './checkpoint.js';
import { type ModelConfig, ModelError } from './config.js';
import type { StoredDType } from './dtypes.js';
import { adapterIn, writeAdapterFiles } from './lora.js';
import { type ParameterSet, type Parameters, parameterSpecs } from './parameters.js';
import {
  type NamedTensor,
  readTensors,
  type SafetensorsFile,
  type StoredTensor,
  writeTensors,
} from './safetensors.js';
import { type ByteSource, readFully, type Store } from './store.js';

/** The files of a folder. A new file replaces an existing one of the same name when it is complete. */
export function folderStore(folder: string): Store {
  const path = (name: string): string => join(folder, name);
  return {
    name: folder,
    path,
    names: () => readdir(folder),
    has: (name) =>
      access(path(name), constants.F_OK).then(
        () => true,
        () => false,
      ),
    open: (name) => openFile(path(name)),
    async write(name, pieces) {
      const whole = await WholeFile.open(path(name));
      try {
        for (const piece of pieces) await whole.writeBytes(piece);
        await whole.complete();
        await whole.publish();
      } catch (error) {
        await whole.abort();
        throw error;
      }
    },
  };
}

async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path, 'r');
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error('no file');
    return {
      size: stat.size,
      read: async (into, offset) => (await handle.read(into, 0, into.length, offset)).bytesRead,
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @throws ModelError naming the file, what is expected and what came */
export const openCheckpoint = (folder: string): Promise<Checkpoint> => checkpointIn(folderStore(folder));

/** Opens a checkpoint, and closes it after use. @throws ModelError as `openCheckpoint` does */
export async function withCheckpoint<T>(
  folder: string,
  use: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/**
 * Location of the weights, if the runtime can read them in place: all F32, at offsets that are multiples of 4 bytes, in
 * files of one folder; null: they must be loaded. The weights are checked once, because the runtime maps them without
 * checking.
 * @param checkpoint of a folder
 * @throws ModelError as `loadParameters` does
 */
export async function storedWeights(checkpoint: Checkpoint): Promise<StoredWeights | null> {
  const names = weightNames(checkpoint);
  const folders = new Set<string>();
  const values = new Map<string, StoredValues>();
  for (const { name } of parameterSpecs(checkpoint.config)) {
    const stored = names.get(name) as string;
    const file = (checkpoint.tensors.get(stored) as { file: SafetensorsFile }).file;
    const { dtype, offset, size } = file.tensors.get(stored) as StoredTensor;
    if (dtype !== 'F32' || offset % 4 !== 0) return null;
    // The Hub's cache has links to files in other folders; the runtime needs a file within the folder.
    const real = await realpath(file.file);
    folders.add(dirname(real));
    await file.check(stored);
    values.set(name, { file: basename(real), offset, bytes: 4 * size });
  }
  const [folder] = folders;
  if (folders.size > 1) return null;
  const read = async (name: string): Promise<Float32Array> => {
    const { file, offset, bytes } = values.get(name) as StoredValues;
    const source = await openFile(join(folder, file));
    try {
      const weight = new Float32Array(bytes / 4);
      const count = await readFully(source, new Uint8Array(weight.buffer), offset);
      if (count < bytes)
        throw new ModelError(`${join(folder, file)}: expected ${bytes} bytes of '${name}', got ${count}`);
      return weight;
    } finally {
      await source.close();
    }
  };
  return { folder, values, read };
}

export interface WriteFolderOptions {
  /** Type in which weights are stored, default F32. */
  readonly dtype?: StoredDType;
  /** A folder whose tokenizer, chat template and other keys of config.json are copied. */
  readonly source?: string;
  /** Maximum file size, bytes; larger models are split into shards. Default 5 GB. */
  readonly shardBytes?: number;
}

/** Files for converting between text and tokens, copied beside the weights. */
const TOKENIZER_FILES =
  /^(tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|chat_template\.jinja|generation_config\.json|tokenizer\.model)$/;

/**
 * Writes a model's folder in the format that transformers reads.
 * @throws ModelError if the folder exists already: nothing is overwritten
 */
export async function writeCheckpoint(
  folder: string,
  parameters: Parameters,
  { source, ...options }: WriteFolderOptions = {},
): Promise<void> {
  await newFolder(folder, async (temporary) => {
    const json = source ? ((await readJson(folderStore(source), CONFIG)) as Record<string, unknown>) : {};
    await writeModel(folderStore(temporary), parameters, { ...options, json });
    for (const name of source ? await readdir(source) : []) {
      if (TOKENIZER_FILES.test(name)) await copy(join(source as string, name), join(temporary, name));
    }
  });
}

/**
 * Writes an adapter's folder in the format that PEFT reads.
 * @param base name or folder of the adapter's model
 * @throws ModelError if the folder exists already
 */
export async function writeAdapter(
  folder: string,
  config: ModelConfig,
  adapter: ParameterSet,
  base: string | null,
): Promise<void> {
  await newFolder(folder, (temporary) => writeAdapterFiles(folderStore(temporary), config, adapter, base));
}

/** Reads an adapter's folder. @param config of the base model @throws ModelError as `adapterIn` does */
export const readAdapter = (folder: string, config: ModelConfig): ReturnType<typeof adapterIn> =>
  adapterIn(folderStore(folder), config);

/** Writes files as a new folder. @throws ModelError if the folder exists already */
export async function writeFiles(folder: string, content: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await newFolder(folder, async (temporary) => {
    for (const [name, bytes] of content) await folderStore(temporary).write(name, [bytes]);
  });
}

async function newFolder(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) throw new ModelError(`${folder}: expected a new folder, got one that exists`);
  await makeFolder(dirname(folder));
  await writeFolder(folder, fill);
}

/** Reads all tensors of a file, as float32. @throws ModelError as `SafetensorsFile.open` */
export const readSafetensors = (file: string): ReturnType<typeof readTensors> =>
  readTensors(folderStore(dirname(file)), basename(file));

/** Writes tensors (and string metadata) as one file. @throws ModelError as `writeTensors` */
export const writeSafetensors = (
  file: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Readonly<Record<string, string>> = {},
  dtype: StoredDType = 'F32',
): Promise<void> => writeTensors(folderStore(dirname(file)), basename(file), tensors, metadata, dtype);
