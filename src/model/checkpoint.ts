/**
 * A model as a folder in the Hugging Face layout: config.json and model.safetensors, or shards with an index. Read so
 * that no more than one copy of the weights is ever in memory; written to another name first, so that a folder is whole
 * or not there.
 */
import { constants } from 'node:fs';
import { access, readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { copy, makeFolder, writeFolder, writeWhole } from '../files/index.js';
import type { StoredInputs, StoredValues } from '../graph/index.js';
import { readModelConfig, toHuggingFaceConfig } from './architectures.js';
import { architectureOf, type ModelConfig, ModelError } from './config.js';
import { dtypeBytes, type StoredDType } from './dtypes.js';
import { modelModules } from './modules.js';
import { Parameters, parameterSpecs } from './parameters.js';
import {
  type NamedTensor,
  SafetensorsFile,
  type StoredTensor,
  sameValues,
  writeSafetensors,
} from './safetensors.js';

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const HEAD = 'lm_head.weight';
/** What makes a model's text of its tokens, copied beside the weights. */
const TOKENIZER_FILES =
  /^(tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|chat_template\.jinja|generation_config\.json|tokenizer\.model)$/;

/** A checkpoint whose files are there and whose headers are read. */
export interface Checkpoint {
  readonly folder: string;
  readonly config: ModelConfig;
  /** The parsed config.json, with keys that are not ours. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Tensors of all files, by name. */
  readonly tensors: ReadonlyMap<
    string,
    { readonly file: SafetensorsFile; readonly shape: readonly number[] }
  >;
  /** The type that most weights are stored in. */
  readonly dtype: StoredDType;
  /** What the configuration says and the files contradict, a line each; the files are believed. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens a folder: reads its configuration and the headers of its files, no weights.
 * @throws ModelError naming the file, what was found and what is needed
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const json = await readJson(join(folder, CONFIG));
  const config = readModelConfig(json, join(folder, CONFIG));
  const files = await weightFiles(folder);
  const opened: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    for (const file of opened) await file.close();
  };
  try {
    const tensors = new Map<string, { file: SafetensorsFile; shape: readonly number[] }>();
    const bytes: Record<StoredDType, number> = { F32: 0, BF16: 0, F16: 0 };
    for (const [name, only] of files) {
      const file = await SafetensorsFile.open(join(folder, name));
      opened.push(file);
      for (const [key, { shape, dtype, size }] of file.tensors) {
        if (only && !only.has(key)) continue;
        tensors.set(key, { file, shape });
        bytes[dtype] += size * dtypeBytes(dtype);
      }
      for (const key of only ?? []) {
        if (!file.tensors.has(key)) {
          throw new ModelError(`${file.file}: tensor '${key}' is missing; ${INDEX} says that it is there`);
        }
      }
    }
    const [dtype] = Object.entries(bytes).reduce((a, b) => (b[1] > a[1] ? b : a));
    const untied = await hasOwnHead(tensors, config);
    const warnings = untied
      ? [
          `${join(folder, CONFIG)}: tie_word_embeddings: is true, but lm_head.weight is in the file and differs from ` +
            'the embedding; the file is believed (set tie_word_embeddings to false to silence this)',
        ]
      : [];
    return {
      folder,
      config: untied ? { ...config, architecture: { ...architectureOf(config), tiedHead: false } } : config,
      warnings,
      json: json as Record<string, unknown>,
      tensors,
      dtype: dtype as StoredDType,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A tensor's name without the prefix that GPT-2's files have or have not. */
const plainName = (name: string): string =>
  name.startsWith('transformer.') ? name.slice('transformer.'.length) : name;

/** Whether a model that is said to be tied has a head with values of its own, as transformers decides it. */
async function hasOwnHead(tensors: Checkpoint['tensors'], config: ModelConfig): Promise<boolean> {
  if (!architectureOf(config).tiedHead) return false;
  const { embedding } = modelModules(config);
  const named = (wanted: string): string | undefined =>
    [...tensors.keys()].find((name) => plainName(name) === wanted);
  const [head, table] = [named(HEAD), named(`${embedding}.weight`)];
  if (head === undefined || table === undefined) return false;
  const [a, b] = [tensors.get(head), tensors.get(table)];
  if (!a || !b || a.shape.join() !== b.shape.join()) return true;
  return !(await sameValues([a.file, head], [b.file, table]));
}

/** Opens a checkpoint, and closes it after its use. @throws ModelError as `openCheckpoint` does */
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

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ModelError(
      `${file}: cannot be read (${error.code ?? error.message}); needed is a model's folder`,
    );
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelError(`${file}: is not JSON: ${(error as Error).message}`);
  }
}

const exists = (file: string): Promise<boolean> =>
  access(file, constants.F_OK).then(
    () => true,
    () => false,
  );

/** Files with the tensors that each holds; null: all that it has. */
async function weightFiles(folder: string): Promise<Map<string, Set<string> | null>> {
  if (await exists(join(folder, WEIGHTS))) return new Map([[WEIGHTS, null]]);
  const index = join(folder, INDEX);
  if (!(await exists(index))) {
    const others = (await readdir(folder)).filter((name) => /\.(bin|pt|pth|gguf|onnx)$/.test(name));
    throw new ModelError(
      `${folder}: has no ${WEIGHTS} and no ${INDEX}${others.length > 0 ? `; ${others[0]} is of a kind that is not read` : ''}`,
    );
  }
  const { weight_map: map } = ((await readJson(index)) ?? {}) as { weight_map?: unknown };
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new ModelError(`${index}: weight_map: found nothing; needed is the file of each tensor`);
  }
  const files = new Map<string, Set<string>>();
  for (const [key, name] of Object.entries(map)) {
    // A shard lies beside its index: a name with a path would read from elsewhere.
    if (typeof name !== 'string' || name !== basename(name)) {
      throw new ModelError(
        `${index}: ${key}: found ${JSON.stringify(name)}; allowed is the name of a file beside it`,
      );
    }
    files.set(name, (files.get(name) ?? new Set()).add(key));
  }
  for (const name of files.keys()) {
    if (!(await exists(join(folder, name)))) {
      throw new ModelError(`${join(folder, name)}: is missing; ${INDEX} names it`);
    }
  }
  return files;
}

/** Buffers that files of some versions hold and that are no weights. */
const BUFFERS = /(^|\.)(attn\.(masked_)?bias|rotary_emb\.inv_freq)$/;

/**
 * The stored name of each weight.
 * @throws ModelError naming tensors that are missing, of another shape, or of no use to this architecture
 */
function weightNames({ tensors, config, folder }: Checkpoint): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of tensors.keys()) {
    const key = plainName(name);
    if (!BUFFERS.test(key)) found.set(key, name);
  }
  if (architectureOf(config).tiedHead) {
    // Of a tied pair a file may hold either, or both.
    const table = `${modelModules(config).embedding}.weight`;
    const head = found.get(HEAD);
    if (head !== undefined && !found.has(table)) found.set(table, head);
    found.delete(HEAD);
  }
  // Shapes first: nothing as large as the weights is made for a file that does not fit.
  const specs = parameterSpecs(config);
  const missing = specs.filter(({ name }) => !found.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw new ModelError(`${folder}: ${listed('missing', missing)}`);
  const wanted = new Set(specs.map(({ name }) => name));
  const extra = [...found.keys()].filter((name) => !wanted.has(name));
  if (extra.length > 0) {
    const { family } = architectureOf(config);
    throw new ModelError(`${folder}: ${listed(`not part of this ${family} model`, extra)}`);
  }
  for (const { name, shape } of specs) {
    const has = tensors.get(found.get(name) as string)?.shape ?? [];
    if (has.join() !== shape.join()) {
      throw new ModelError(
        `${folder}: tensor '${name}' has shape [${has.join(', ')}]; ${CONFIG} wants [${shape.join(', ')}]`,
      );
    }
  }
  return found;
}

/**
 * The weights, as float32, read tensor by tensor into their place.
 * @throws ModelError naming tensors that are missing, of another shape, of no use to this architecture, or not finite
 */
export async function loadParameters(checkpoint: Checkpoint): Promise<Parameters> {
  const names = weightNames(checkpoint);
  const parameters = new Parameters(checkpoint.config);
  for (const { name } of parameters.specs) {
    const stored = names.get(name) as string;
    await checkpoint.tensors.get(stored)?.file.read(stored, parameters.views.get(name) as Float32Array);
  }
  return parameters;
}

/** Weights that stay in their files, by name: the runtime maps them into memory, and nobody changes them. */
export type StoredWeights = StoredInputs;

/**
 * Where the weights lie, if the runtime can read them in place: all F32, at places that are multiples of 4 bytes, in
 * files of one folder; null: they have to be loaded.
 * They are looked through once: what the runtime maps nobody else reads.
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
    // The Hub's cache has links to files that lie elsewhere; the runtime wants a file within the folder.
    const real = await realpath(file.file);
    folders.add(dirname(real));
    await file.check(stored);
    values.set(name, { file: basename(real), offset, bytes: 4 * size });
  }
  const [folder] = folders;
  return folders.size === 1 ? { folder, values } : null;
}

function listed(what: string, names: readonly string[]): string {
  const first = names.slice(0, 3).map((name) => `'${name}'`);
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return `${names.length === 1 ? 'a tensor is' : `${names.length} tensors are`} ${what}: ${first.join(', ')}${more}`;
}

export interface WriteOptions {
  /** What weights are stored as, default F32. */
  readonly dtype?: StoredDType;
  /** A folder whose tokenizer, chat template and other keys of config.json go with the weights. */
  readonly source?: string;
  /** Largest file, bytes; more is cut into shards. Default 5 GB. */
  readonly shardBytes?: number;
}

const TORCH_NAMES: Record<StoredDType, string> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' };

/**
 * Writes a model's folder as transformers reads it.
 * @throws ModelError if the folder is there already: nothing is written over
 */
export async function writeCheckpoint(
  folder: string,
  { config, specs, views }: Parameters,
  { dtype = 'F32', source, shardBytes = 5e9 }: WriteOptions = {},
): Promise<void> {
  if (await exists(folder)) throw new ModelError(`${folder}: is there already; allowed is a new folder`);
  await makeFolder(dirname(folder));
  await writeFolder(folder, async (temporary) => {
    // transformers names GPT-2's weights with a prefix.
    const prefix = architectureOf(config).family === 'gpt2' ? 'transformer.' : '';
    const shards: Map<string, NamedTensor>[] = [new Map()];
    let bytes = 0;
    for (const { name, shape, size } of specs) {
      const more = size * dtypeBytes(dtype);
      if (bytes > 0 && bytes + more > shardBytes) {
        shards.push(new Map());
        bytes = 0;
      }
      bytes += more;
      shards[shards.length - 1].set(name === HEAD ? name : prefix + name, {
        shape,
        data: views.get(name) as Float32Array,
      });
    }
    await writeShards(temporary, shards, dtype);
    const before = source ? ((await readJson(join(source, CONFIG))) as Record<string, unknown>) : {};
    const { torch_dtype: _, dtype: __, rope_parameters: ___, ...kept } = before;
    const written = { ...kept, ...toHuggingFaceConfig(config), torch_dtype: TORCH_NAMES[dtype] };
    await writeWhole(join(temporary, CONFIG), `${JSON.stringify(written, null, 2)}\n`);
    for (const name of source ? await readdir(source) : []) {
      if (TOKENIZER_FILES.test(name)) await copy(join(source as string, name), join(temporary, name));
    }
  });
}

async function writeShards(
  folder: string,
  shards: readonly ReadonlyMap<string, NamedTensor>[],
  dtype: StoredDType,
): Promise<void> {
  if (shards.length === 1) {
    await writeSafetensors(join(folder, WEIGHTS), shards[0], {}, dtype);
    return;
  }
  const map: Record<string, string> = {};
  let total = 0;
  const digits = (n: number): string => String(n).padStart(5, '0');
  for (const [i, shard] of shards.entries()) {
    const name = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, name), shard, {}, dtype);
    for (const [key, { data }] of shard) {
      map[key] = name;
      total += data.length * dtypeBytes(dtype);
    }
  }
  const index = { metadata: { total_size: total }, weight_map: map };
  await writeWhole(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`);
}
