/**
 * Reads and writes a model in the Hugging Face layout: config.json and model.safetensors, or shards with an index. At
 * most one copy of the weights is in memory.
 */
import type { StoredInputs } from '../graph/index.js';
import { readModelConfig, toHuggingFaceConfig } from './architectures.js';
import { architectureOf, type ModelConfig, ModelError } from './config.js';
import { dtypeBytes, type StoredDType } from './dtypes.js';
import { modelModules } from './modules.js';
import { Parameters, parameterSpecs } from './parameters.js';
import { type NamedTensor, SafetensorsFile, sameValues, writeTensors } from './safetensors.js';
import { readText, reasonOf, type Store, writeText } from './store.js';

export const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const HEAD = 'lm_head.weight';
/** A checkpoint whose files exist and whose headers have been read. */
export interface Checkpoint {
  /** Name of the store: its folder. */
  readonly folder: string;
  readonly config: ModelConfig;
  /** The parsed config.json, including keys that we do not use. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Tensors of all files, by name. */
  readonly tensors: ReadonlyMap<
    string,
    { readonly file: SafetensorsFile; readonly shape: readonly number[] }
  >;
  /** The type in which most weights are stored. */
  readonly dtype: StoredDType;
  /** Contradictions between configuration and files, one line each; the files are used. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens a checkpoint: reads its configuration and the headers of its files, but no weights.
 * @throws ModelError naming the file, what is expected and what came
 */
export async function checkpointIn(store: Store): Promise<Checkpoint> {
  const json = await readJson(store, CONFIG);
  const config = readModelConfig(json, store.path(CONFIG));
  const files = await weightFiles(store);
  const opened: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    for (const file of opened) await file.close();
  };
  try {
    const tensors = new Map<string, { file: SafetensorsFile; shape: readonly number[] }>();
    const bytes: Record<StoredDType, number> = { F32: 0, BF16: 0, F16: 0 };
    for (const [name, only] of files) {
      const file = await SafetensorsFile.open(store, name);
      opened.push(file);
      for (const [key, { shape, dtype, size }] of file.tensors) {
        if (only && !only.has(key)) continue;
        tensors.set(key, { file, shape });
        bytes[dtype] += size * dtypeBytes(dtype);
      }
      for (const key of only ?? []) {
        if (!file.tensors.has(key)) {
          throw new ModelError(`${file.file}: tensor '${key}' is missing, but ${INDEX} lists it`);
        }
      }
    }
    const [dtype] = Object.entries(bytes).reduce((a, b) => (b[1] > a[1] ? b : a));
    const untied = await hasOwnHead(tensors, config);
    const warnings = untied
      ? [
          `${store.path(CONFIG)}: tie_word_embeddings: is true, but lm_head.weight is in the file and differs from ` +
            'the embedding; the separate head is used (set tie_word_embeddings to false to remove this message)',
        ]
      : [];
    return {
      folder: store.name,
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

/** A tensor's name with or without the prefix that some GPT-2 files use. */
const plainName = (name: string): string =>
  name.startsWith('transformer.') ? name.slice('transformer.'.length) : name;

/** Whether a model that is declared as tied has its own head, decided as transformers does. */
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

/** @throws ModelError naming the file */
export async function readJson(store: Store, name: string): Promise<unknown> {
  const file = store.path(name);
  const text = await readText(store, name).catch((error) => {
    throw new ModelError(`${file}: cannot be read (${reasonOf(error)}); expected a model's folder`);
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelError(`${file}: is not JSON: ${(error as Error).message}`);
  }
}

/** Files with the tensors that each holds; null: all tensors of the file. */
async function weightFiles(store: Store): Promise<Map<string, Set<string> | null>> {
  if (await store.has(WEIGHTS)) return new Map([[WEIGHTS, null]]);
  const index = store.path(INDEX);
  if (!(await store.has(INDEX))) {
    const others = (await store.names()).filter((name) => /\.(bin|pt|pth|gguf|onnx)$/.test(name));
    throw new ModelError(
      `${store.name}: has no ${WEIGHTS} and no ${INDEX}${others.length > 0 ? `; ${others[0]} has a format that is not supported` : ''}`,
    );
  }
  const { weight_map: map } = ((await readJson(store, INDEX)) ?? {}) as { weight_map?: unknown };
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new ModelError(`${index}: weight_map: expected the file of each tensor, got nothing`);
  }
  const files = new Map<string, Set<string>>();
  for (const [key, name] of Object.entries(map)) {
    // A shard must be beside its index: a name with a path could read another folder.
    if (typeof name !== 'string' || /[/\\]/.test(name)) {
      throw new ModelError(
        `${index}: ${key}: expected the name of a file in the same folder, got ${JSON.stringify(name)}`,
      );
    }
    files.set(name, (files.get(name) ?? new Set()).add(key));
  }
  for (const name of files.keys()) {
    if (!(await store.has(name))) {
      throw new ModelError(`${store.path(name)}: is missing, but ${INDEX} names it`);
    }
  }
  return files;
}

/** Buffers in files of some versions that are not weights. */
const BUFFERS = /(^|\.)(attn\.(masked_)?bias|rotary_emb\.inv_freq)$/;

/**
 * The stored name of each weight.
 * @throws ModelError naming tensors that are missing, have another shape, or do not belong to this architecture
 */
export function weightNames({ tensors, config, folder }: Checkpoint): Map<string, string> {
  const names = new Map<string, string>();
  for (const name of tensors.keys()) {
    const key = plainName(name);
    if (!BUFFERS.test(key)) names.set(key, name);
  }
  if (architectureOf(config).tiedHead) {
    // A file may hold either weight of a tied pair, or both.
    const table = `${modelModules(config).embedding}.weight`;
    const head = names.get(HEAD);
    if (head !== undefined && !names.has(table)) names.set(table, head);
    names.delete(HEAD);
  }
  // Shapes are checked first, so that no memory is allocated for a file that does not fit.
  const specs = parameterSpecs(config);
  const missing = specs.filter(({ name }) => !names.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw new ModelError(`${folder}: ${listed('missing', missing)}`);
  const wanted = new Set(specs.map(({ name }) => name));
  const extra = [...names.keys()].filter((name) => !wanted.has(name));
  if (extra.length > 0) {
    const { family } = architectureOf(config);
    throw new ModelError(`${folder}: ${listed(`not part of this ${family} model`, extra)}`);
  }
  for (const { name, shape } of specs) {
    const has = tensors.get(names.get(name) as string)?.shape ?? [];
    if (has.join() !== shape.join()) {
      throw new ModelError(
        `${folder}: tensor '${name}' has shape [${has.join(', ')}]; ${CONFIG} expects [${shape.join(', ')}]`,
      );
    }
  }
  return names;
}

/**
 * The weights as float32, read tensor by tensor into their places.
 * @throws ModelError naming tensors that are missing, have another shape, do not belong to this architecture, or are
 * not finite
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

/** Weights that stay in their files, by name: the runtime maps them into memory, and they never change. */
export interface StoredWeights extends StoredInputs {
  /** Reads the values of a weight into memory. */
  read(name: string): Promise<Float32Array>;
}

function listed(what: string, names: readonly string[]): string {
  const first = names.slice(0, 3).map((name) => `'${name}'`);
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return `${names.length === 1 ? 'a tensor is' : `${names.length} tensors are`} ${what}: ${first.join(', ')}${more}`;
}

export interface WriteOptions {
  /** Type in which weights are stored, default F32. */
  readonly dtype?: StoredDType;
  /** A config.json whose other keys are copied. */
  readonly json?: Readonly<Record<string, unknown>>;
  /** Maximum file size, bytes; larger models are split into shards. Default 5 GB. */
  readonly shardBytes?: number;
}

const TORCH_NAMES: Record<StoredDType, string> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' };

/** Writes a model's configuration and weights in the format that transformers reads. */
export async function writeModel(
  store: Store,
  { config, specs, views }: Parameters,
  { dtype = 'F32', json = {}, shardBytes = 5e9 }: WriteOptions = {},
): Promise<void> {
  // transformers writes GPT-2's weights with a prefix.
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
  await writeShards(store, shards, dtype);
  const { torch_dtype: _, dtype: __, rope_parameters: ___, ...kept } = json;
  const written = { ...kept, ...toHuggingFaceConfig(config), torch_dtype: TORCH_NAMES[dtype] };
  await writeText(store, CONFIG, `${JSON.stringify(written, null, 2)}\n`);
}

async function writeShards(
  store: Store,
  shards: readonly ReadonlyMap<string, NamedTensor>[],
  dtype: StoredDType,
): Promise<void> {
  if (shards.length === 1) {
    await writeTensors(store, WEIGHTS, shards[0], {}, dtype);
    return;
  }
  const map: Record<string, string> = {};
  let total = 0;
  const digits = (n: number): string => String(n).padStart(5, '0');
  for (const [i, shard] of shards.entries()) {
    const name = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    await writeTensors(store, name, shard, {}, dtype);
    for (const [key, { data }] of shard) {
      map[key] = name;
      total += data.length * dtypeBytes(dtype);
    }
  }
  const index = { metadata: { total_size: total }, weight_map: map };
  await writeText(store, INDEX, `${JSON.stringify(index, null, 2)}\n`);
}
