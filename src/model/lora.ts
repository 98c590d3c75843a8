/**
 * LoRA (arXiv:2106.09685): a linear layer W gets a trained low-rank correction, x·Wᵀ + (α/r)·dropout(x)·Aᵀ·Bᵀ, and W is
 * frozen. Names, shapes and initialisation are those of PEFT, whose files are read and written here. Before training B
 * is 0, so the policy equals the base model, which stays the reference policy of the KL term.
 */
import { Stream } from '../random/stream.js';
import { architectureOf, type LoraConfig, type ModelConfig, ModelError } from './config.js';
import { type LinearModule, linearModules } from './modules.js';
import { ParameterSet, type ParameterSpec, type Parameters } from './parameters.js';
import { readTensors, writeTensors } from './safetensors.js';
import { readText, type Store, writeText } from './store.js';

/**
 * The linear maps that get an adapter: `all-linear`, or those whose name equals or ends in one of the targets.
 * @throws ModelError for a target that matches no module
 */
export function adaptedModules(
  config: ModelConfig,
  { targets }: Pick<LoraConfig, 'targets'>,
): LinearModule[] {
  const all = linearModules(config);
  if (targets === 'all-linear') return all;
  const fits = (name: string, target: string): boolean => name === target || name.endsWith(`.${target}`);
  for (const target of targets) {
    if (!all.some(({ name }) => fits(name, target))) {
      const known = [...new Set(all.map(({ name }) => name.split('.').at(-1)))].join(', ');
      throw new ModelError(
        `model.lora.targets: expected all-linear, or names among ${known}, got '${target}'`,
      );
    }
  }
  return all.filter(({ name }) => targets.some((target) => fits(name, target)));
}

/** Name of an adapter's weight in a graph; in files it has a prefix. */
export const loraName = (module: string, part: 'A' | 'B'): string => `${module}.lora_${part}.weight`;

/** A [r, in] and B [out, r] of every adapted module. */
export function adapterSpecs(config: ModelConfig): ParameterSpec[] {
  const { adapter } = config;
  if (!adapter) return [];
  const specs: ParameterSpec[] = [];
  let offset = 0;
  for (const module of adaptedModules(config, adapter)) {
    for (const part of ['A', 'B'] as const) {
      const shape = part === 'A' ? [adapter.r, module.in] : [module.out, adapter.r];
      const size = shape[0] * shape[1];
      specs.push({
        name: loraName(module.name, part),
        shape,
        offset,
        size,
        init: part === 'A' ? 'matrix' : 'zeros',
      });
      offset += size;
    }
  }
  return specs;
}

/** A new adapter: A uniform in ±1/√in (Kaiming with a = √5, as in PEFT), B 0. */
export function freshAdapter(config: ModelConfig, seed: number): ParameterSet {
  const adapter = new ParameterSet(adapterSpecs(config));
  for (const { name, shape, init } of adapter.specs) {
    if (init === 'zeros') continue;
    const view = adapter.views.get(name) as Float32Array;
    const stream = new Stream(seed, 'init', name);
    const bound = 1 / Math.sqrt(shape[1]);
    for (let i = 0; i < view.length; i++) view[i] = bound * (2 * stream.uniform() - 1);
  }
  return adapter;
}

/** PEFT's prefix of module names. */
const filePrefix = (config: ModelConfig): string =>
  `base_model.model.${architectureOf(config).family === 'gpt2' ? 'transformer.' : ''}`;

const WEIGHTS = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';

/**
 * Writes `adapter_config.json` and `adapter_model.safetensors` in the format that PEFT reads.
 * @param base name or folder of the adapter's model
 */
export async function writeAdapterFiles(
  store: Store,
  config: ModelConfig,
  adapter: ParameterSet,
  base: string | null = null,
): Promise<void> {
  const { r, alpha, dropout, targets } = config.adapter as LoraConfig;
  const prefix = filePrefix(config);
  const tensors = new Map(
    adapter.specs.map(({ name, shape }) => [
      prefix + name,
      { shape, data: adapter.views.get(name) as Float32Array },
    ]),
  );
  await writeTensors(store, WEIGHTS, tensors);
  const json = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    r,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: targets === 'all-linear' ? linearModules(config).map(({ name }) => name) : targets,
    bias: 'none',
    fan_in_fan_out: architectureOf(config).family === 'gpt2',
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    use_rslora: false,
    use_dora: false,
  };
  await writeText(store, CONFIG, `${JSON.stringify(json, null, 2)}\n`);
}

/**
 * Reads an adapter.
 * @param config of the base model
 * @returns the base model's configuration with the adapter's, and its weights
 * @throws ModelError naming file and key for unsupported options, and for tensors that do not fit
 */
export async function adapterIn(
  store: Store,
  config: ModelConfig,
): Promise<{ config: ModelConfig; adapter: ParameterSet }> {
  const file = store.path(CONFIG);
  const weights = store.path(WEIGHTS);
  const json = await readText(store, CONFIG).then(
    (text) => JSON.parse(text) as Record<string, unknown>,
    (error: Error) => {
      throw new ModelError(`${file}: cannot be read: ${error.message}; expected a PEFT adapter's folder`);
    },
  );
  const only = (key: string, allowed: readonly unknown[]): void => {
    const value = json[key] ?? null;
    if (!allowed.includes(value)) {
      throw new ModelError(
        `${file}: ${key}: expected ${allowed.map((v) => JSON.stringify(v)).join(' or ')}, got ${JSON.stringify(value)}`,
      );
    }
  };
  only('peft_type', ['LORA']);
  only('bias', ['none', null]);
  only('use_dora', [false, null]);
  only('use_rslora', [false, null]);
  const whole = (key: string): number => {
    const value = json[key];
    if (typeof value === 'number' && value > 0) return value;
    throw new ModelError(`${file}: ${key}: expected a number above 0, got ${JSON.stringify(value)}`);
  };
  const { target_modules: targets } = json;
  if (targets !== 'all-linear' && !Array.isArray(targets)) {
    throw new ModelError(
      `${file}: target_modules: expected a list of names, or all-linear, got ${JSON.stringify(targets)}`,
    );
  }
  const lora: LoraConfig = {
    r: whole('r'),
    alpha: whole('lora_alpha'),
    dropout: Number(json.lora_dropout ?? 0),
    targets: targets as LoraConfig['targets'],
  };
  const adapted = { ...config, adapter: lora };
  const adapter = new ParameterSet(adapterSpecs(adapted));
  const { tensors } = await readTensors(store, WEIGHTS);
  const prefix = filePrefix(config);
  for (const { name, shape } of adapter.specs) {
    const tensor = tensors.get(prefix + name);
    if (tensor?.shape.join() !== shape.join()) {
      throw new ModelError(
        `${weights}: tensor '${prefix + name}' ${tensor ? `has shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]` : 'is missing'}`,
      );
    }
    adapter.views.get(name)?.set(tensor.data);
  }
  if (tensors.size !== adapter.specs.length) {
    const known = new Set(adapter.specs.map(({ name }) => prefix + name));
    const extra = [...tensors.keys()].find((name) => !known.has(name));
    throw new ModelError(`${weights}: tensor '${extra}' belongs to no module of the adapter`);
  }
  return { config: adapted, adapter };
}

/** Adds an adapter to its base model's weights, in place. */
export function mergeAdapter(base: Parameters, config: ModelConfig, adapter: ParameterSet): void {
  const { adapter: lora } = config;
  if (!lora) return;
  const scale = lora.alpha / lora.r;
  for (const module of adaptedModules(config, lora)) {
    const a = adapter.views.get(loraName(module.name, 'A')) as Float32Array;
    const b = adapter.views.get(loraName(module.name, 'B')) as Float32Array;
    const weight = base.views.get(`${module.name}.weight`) as Float32Array;
    const row = new Float64Array(module.in);
    for (let o = 0; o < module.out; o++) {
      row.fill(0);
      for (let k = 0; k < lora.r; k++) {
        const factor = scale * b[o * lora.r + k];
        for (let i = 0; i < module.in; i++) row[i] += factor * a[k * module.in + i];
      }
      for (let i = 0; i < module.in; i++) {
        weight[module.transposed ? o * module.in + i : i * module.out + o] += row[i];
      }
    }
  }
}
