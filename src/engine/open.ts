/** Opens the engine that a configuration names: the one place that knows which there are. */
import { nodeBackend } from '../runtime/node.js';
import type { Engine } from './engine.js';
import { LocalEngine, type LocalEngineOptions } from './local/local-engine.js';

/** What an engine is opened with, by its name. */
export type EngineSpec = { readonly name: 'local' } & Omit<LocalEngineOptions, 'backend'>;

export async function openEngine({ name: _, ...options }: EngineSpec): Promise<Engine> {
  return new LocalEngine({ ...options, backend: nodeBackend() });
}
