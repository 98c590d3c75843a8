/** ONNX Runtime's package for Node.js: the one place that names it. */
import * as runtime from 'onnxruntime-node';
import type { Backend, Provider } from './backend.js';

export const nodeBackend = (provider: Provider = 'cpu'): Backend => ({ runtime, provider });
