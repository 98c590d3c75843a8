export * from './engine.js';
export { LocalEngine, type LocalEngineOptions } from './local/local-engine.js';
export type { OptimizerConfig } from './local/optimizer.js';
export { readModelShape, readSaved } from './local/saved.js';
