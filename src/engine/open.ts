/** Opens the engine that a configuration names. Only this module knows all engines. */
import { nodeBackend } from '../runtime/node.js';
import type { Engine } from './engine.js';
import { LocalEngine, type LocalEngineOptions } from './local/local-engine.js';
import { TinkerEngine, type TinkerEngineOptions } from './tinker/tinker-engine.js';

/** Options for opening an engine, by its name. */
export type EngineSpec =
  | ({ readonly name: 'local' } & Omit<LocalEngineOptions, 'backend'>)
  | ({ readonly name: 'tinker' } & TinkerEngineOptions);

export async function openEngine(spec: EngineSpec): Promise<Engine> {
  if (spec.name === 'tinker') return TinkerEngine.open(spec);
  const { name: _, ...options } = spec;
  return new LocalEngine({ ...options, backend: nodeBackend() });
}
