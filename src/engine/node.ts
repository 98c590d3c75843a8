/** The runtime of this machine, for those who open an engine here. */
export { nodeBackend } from '../runtime/node.js';
