/**
 * SmolLM2-135M-Instruct in units of work: the recipe's configuration, with the model from the Hub or from a folder that is named on the command
 * line. A unit is known by what is in its files, not by where they lie: the same units go on from another folder.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.js';
import { type Config, resolveConfig } from '../train/index.js';
import type { Places } from './experiment.js';
import { recipe } from './tree-runs.js';

const home = fileURLToPath(new URL('../../', import.meta.url));

/** Where the numbers of weights come from, by their digest. */
const KNOWN_WEIGHTS: Readonly<Record<string, string>> = {
  'sha256 7ef915c9bf9d94d8d702119704768783': 'expanded to bfloat16 from blocks of 4 bits (GGUF, Q4_1)',
};

export interface RealCase {
  /** A small random model on the same problems: a smoke version. */
  readonly quick: boolean;
  /** Digits of the numbers: 1, sums and products; 2, sums. */
  readonly digits: 1 | 2;
  /** Longest completion. */
  readonly maxTokens: number;
  /** A completion ends where its answer does. */
  readonly endAtAnswer: boolean;
}

/**
 * The recipe as the experiments began with it: completions as long as the module's, and a lower learning rate. The recipe itself became shorter and
 * faster; units that are done keep their names.
 */
export function smollm2Base() {
  const base = recipe('smollm2-sums');
  if (base.task.name !== 'module') throw new TypeError('recipes/smollm2-sums.yaml is of another task');
  return {
    ...base,
    task: { ...base.task, max_completion_tokens: null },
    optimizer: { ...base.optimizer, learning_rate: 1e-4 },
    train: { ...base.train, steps: 30 },
  };
}

/**
 * The recipe's run on problems that are answered in words. Its budget of memory is the same everywhere: an update that is made of other runs
 * rounds differently.
 */
export function realModelConfig(setting: RealCase, { pretrained }: Places): Config {
  const base = smollm2Base();
  return {
    ...base,
    task: {
      ...base.task,
      path: relative(process.cwd(), join(home, 'recipes', 'tasks', 'in-words.ts'))
        .split(sep)
        .join('/'),
      options: {
        digits: setting.digits,
        max_tokens: setting.maxTokens,
        end_at_answer: setting.endAtAnswer,
        ...(setting.quick ? { small: true } : {}),
      },
    },
    model: setting.quick
      ? { ...base.model, path: null, lora: null, layers: 1, heads: 1, width: 8 }
      : { ...base.model, path: typeof pretrained === 'string' ? pretrained : base.model.path },
    runtime: { memory: '4GiB' },
    evaluation: { every: 0, problems: 100 },
    log: { ...base.log, rollouts_every: 0 },
  };
}

/**
 * What a run computes, as its unit is named by: without the places of its files, and without keys that have their default, so that a key
 * which is new in the configuration leaves the names of older units as they are. (A default that changes needs a new version of the package, as a
 * program that computes something else does.)
 */
export function contentOf(config: Config): unknown {
  const { task, model } = config;
  const needed = {
    name: task.name,
    ...('path' in task ? { path: task.path } : {}),
    ...('train' in task ? { train: task.train } : {}),
  };
  const changed = withoutDefaults(config, resolveConfig({ task: needed })) as Record<string, object>;
  return {
    ...changed,
    model: { ...changed.model, path: model.path === null ? null : weightsOf(model.path) },
    task: {
      ...changed.task,
      name: task.name,
      ...('path' in task ? { path: relative(home, task.path).split(sep).join('/') } : {}),
      ...('train' in task ? { train: task.train.map(digest) } : {}),
    },
  };
}

/** The keys whose values are not those of `defaults`; sections of which nothing is left are left out. */
export function withoutDefaults(value: object, defaults: object): object {
  const entries = Object.entries(value).flatMap(([key, part]): [string, unknown][] => {
    const usual = (defaults as Record<string, unknown>)[key];
    if (JSON.stringify(part) === JSON.stringify(usual)) return [];
    const isSection = isPlain(part) && isPlain(usual);
    return [[key, isSection ? withoutDefaults(part, usual) : part]];
  });
  return Object.fromEntries(entries);
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Which weights these are: a digest, or the name on the Hub.
 * @throws UserError for a folder without a model
 */
export function weightsOf(path: string): string {
  if (!existsSync(path)) return path;
  const file = join(path, 'model.safetensors');
  if (!existsSync(file))
    throw new UserError(`--pretrained: ${path}: expected a folder with model.safetensors`);
  return `sha256 ${digest(file)}`;
}

/** For a page. @param weights as `weightsOf` names them */
export function describeWeights(weights: string | null): string {
  if (weights === null) return 'a small random model';
  const origin = KNOWN_WEIGHTS[weights];
  const named = weights.startsWith('sha256') ? `SmolLM2-135M-Instruct (${weights})` : weights;
  return origin ? `${named}, ${origin}` : named;
}

const digests = new Map<string, string>();

/** First half of a file's SHA-256, in hex. A file is read once. */
function digest(file: string): string {
  const { size, mtimeMs } = statSync(file);
  const key = `${file}\0${size}\0${mtimeMs}`;
  let value = digests.get(key);
  if (value === undefined) {
    const hash = createHash('sha256');
    const part = Buffer.alloc(1 << 20);
    const descriptor = openSync(file, 'r');
    try {
      for (let n = readSync(descriptor, part); n > 0; n = readSync(descriptor, part))
        hash.update(part.subarray(0, n));
    } finally {
      closeSync(descriptor);
    }
    value = hash.digest('hex').slice(0, 32);
    digests.set(key, value);
  }
  return value;
}
