/**
 * An adapter downloaded from a server: the files of its archive, as PEFT reads them. Servers leave `target_modules`
 * out, and PEFT then loads only the adapters of q and v; here it names every module that has weights in the file.
 */
import { parseTarGzip } from 'nanotar';
import { memoryStore, SafetensorsFile, type StoredDType } from '../../model/index.js';
import { EngineError } from '../engine.js';

const WEIGHTS = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';

export interface AdapterFiles {
  /** Content by file name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly dtype: StoredDType;
}

/**
 * @param archive tar, compressed with gzip
 * @param base the adapter's model, as the configuration names it
 * @returns content by file name, and the type in which the weights are stored
 * @throws EngineError for an archive that is damaged or not an adapter
 */
export async function adapterFiles(archive: Uint8Array, base: string): Promise<AdapterFiles> {
  const content = await unpack(archive);
  const json = content.get(CONFIG);
  if (!json || !content.has(WEIGHTS)) {
    throw new EngineError(
      `the server's archive: expected ${CONFIG} and ${WEIGHTS}, got ${[...content.keys()].join(', ') || 'no file'}`,
    );
  }
  let config: Record<string, unknown>;
  try {
    config = JSON.parse(new TextDecoder().decode(json)) as Record<string, unknown>;
  } catch {
    throw new EngineError(`the server's archive: ${CONFIG}: expected JSON`);
  }
  const { modules: targets, dtype } = await adaptedModules(content);
  const whole = {
    ...config,
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    target_modules: targets,
    inference_mode: true,
  };
  const text = new TextEncoder().encode(`${JSON.stringify(whole, null, 2)}\n`);
  const files = new Map([
    [CONFIG, text],
    [WEIGHTS, content.get(WEIGHTS) as Uint8Array],
  ]);
  return { files, dtype };
}

/** Files by name, without their folders. */
async function unpack(archive: Uint8Array): Promise<Map<string, Uint8Array>> {
  const items = await parseTarGzip(archive).catch((error: Error) => {
    throw new EngineError(
      `the server's archive: expected a tar.gz archive, got ${archive.length} bytes that cannot be unpacked (${error.message})`,
    );
  });
  const files = items.flatMap(({ name, type, data }): [string, Uint8Array][] =>
    type === 'file' && data ? [[name.split('/').at(-1) ?? name, data]] : [],
  );
  return new Map(files);
}

/** Names of the modules that have a pair of weights. */
async function adaptedModules(
  content: Map<string, Uint8Array>,
): Promise<{ modules: string[]; dtype: StoredDType }> {
  const file = await SafetensorsFile.open(memoryStore(content), WEIGHTS);
  try {
    const names = [...file.tensors.keys()];
    const modules = names.flatMap((name) => {
      const [, module] = /^base_model\.model\.(.+)\.lora_A\.weight$/.exec(name) ?? [];
      return module !== undefined && names.includes(`base_model.model.${module}.lora_B.weight`)
        ? [module]
        : [];
    });
    if (modules.length * 2 !== names.length || modules.length === 0) {
      throw new EngineError(
        `the server's archive: ${WEIGHTS}: expected pairs of lora_A.weight and lora_B.weight and nothing else, got ${names.length} tensors with ${modules.length} pairs`,
      );
    }
    const [{ dtype }] = file.tensors.values();
    return { modules: modules.sort(), dtype };
  } finally {
    await file.close();
  }
}
