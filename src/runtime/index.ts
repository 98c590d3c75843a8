/** Programs in ONNX Runtime, on any of its packages. `node.ts` is the one for Node.js. */
export type { ProgramDefinition } from '../graph/index.js';
export type { Backend, OnnxRuntime, Provider } from './backend.js';
export { Program } from './program.js';
export { type Feed, type Output, RuntimeError, Session, type SessionOptions } from './session.js';
