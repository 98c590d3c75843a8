export * from './engine.js';
export { readModelShape, readSaved } from './local/files.js';
export { LocalEngine, type LocalEngineOptions } from './local/local-engine.js';
export type { OptimizerConfig } from './local/optimizer.js';
export { type EngineSpec, openEngine } from './open.js';
