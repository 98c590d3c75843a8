/**
 * SmolLM2-135M-Instruct in units of work: the recipe's configuration, with the model from the Hub or from a folder
 * given on the command line. A unit is identified by the content of its files, not by their location, so a run can
 * continue with another folder.
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

/** Where the numbers of the weights come from, by their digest. */
const KNOWN_WEIGHTS: Readonly<Record<string, string>> = {
  'sha256 7ef915c9bf9d94d8d702119704768783': 'expanded to bfloat16 from blocks of 4 bits (GGUF, Q4_1)',
};

export interface RealCase {
  /** A small random model on the same problems, for a smoke version. */
  readonly quick: boolean;
  /** Digits of the numbers: 1, sums and products; 2, sums. */
  readonly digits: 1 | 2;
  /** Longest completion. */
  readonly maxTokens: number;
  /** Whether a completion ends at its answer. */
  readonly endAtAnswer: boolean;
}

/** The folder that was named, or the name of the recipe's model on the Hub. */
export const modelPath = ({ pretrained }: Places): string | null =>
  typeof pretrained === 'string' ? pretrained : recipe('smollm2-sums').model.path;

/**
 * Changes that restore the recipe of the first experiments: completions as long as the module's, and a lower learning
 * rate. The recipe has since become shorter and faster, but finished units keep their names.
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
 * The recipe's run on problems that are answered in words. Its memory budget is the same everywhere, because an update
 * that is split into other runs rounds differently.
 */
export function realModelConfig(setting: RealCase, places: Places): Config {
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
      : { ...base.model, path: modelPath(places) },
    runtime: { memory: '4GiB' },
    evaluation: { every: 0, problems: 100 },
    log: { ...base.log, rollouts_every: 0 },
  };
}

/**
 * The content that names a run's unit: its configuration without file locations and without keys that have their
 * default value, so that new configuration keys do not change the names of older units. (Changing a default needs a new
 * version of the package, as any change of the computation does.)
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

/** The keys whose values differ from `defaults`, without empty sections. */
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
 * Identifies the weights: a digest, or the name on the Hub.
 * @throws UserError for a folder without a model
 */
export function weightsOf(path: string): string {
  if (!existsSync(path)) return path;
  const file = join(path, 'model.safetensors');
  if (!existsSync(file))
    throw new UserError(`--pretrained: ${path}: expected a folder with model.safetensors`);
  return `sha256 ${digest(file)}`;
}

/** A description for a page. @param weights as returned by `weightsOf` */
export function describeWeights(weights: string | null): string {
  if (weights === null) return 'a small random model';
  const origin = KNOWN_WEIGHTS[weights];
  const named = weights.startsWith('sha256') ? `SmolLM2-135M-Instruct (${weights})` : weights;
  return origin ? `${named}, ${origin}` : named;
}

const digests = new Map<string, string>();

/** First half of a file's SHA-256, in hex. Each file is read once. */
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
