/** Symbolic tensors, their operations and derivatives, and their compilation to ONNX. */
export { backward, gradients } from './derivative.js';
export { fuse } from './fuse.js';
export { type CompiledModel, compileModel, type StoredInputs, type StoredValues } from './onnx.js';
export { expand, reduceSum, reshape, sumAll, sumTo } from './ops/broadcast.js';
export * from './ops/elementwise.js';
export * from './ops/indexing.js';
export * from './ops/matrix.js';
export { partByPart } from './ops/parts.js';
export * from './ops/reduction.js';
export * from './ops/rotary.js';
export * from './ops/structure.js';
export { type Pass, rewrite, webgpuPass } from './passes.js';
export { printGraph } from './print.js';
export {
  bindShape,
  checkInputs,
  type Input,
  type InputDType,
  InputList,
  type InputScope,
  type ProgramDefinition,
  type Sizes,
  type Values,
} from './program.js';
export { type QuantizedMatrix, quantizeMatrix, quantizeProducts } from './quantize.js';
export { after, recompute } from './recompute.js';
export { type Dim, formatShape, type Shape, ShapeError, sameShape, times } from './shape.js';
export { type DType, Graph, type Node, type Tensor, topologicalOrder } from './tensor.js';
export { differentiableOperators } from './vjp.js';
