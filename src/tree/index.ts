/** The process tree of a group, its statistics, and its packing into one sequence. No dependencies; runs anywhere. */
export { cutTree, type TreePiece } from './cut.js';
export { type PackedTree, packedIndices, packTree } from './pack.js';
export { ProcessTree, type TokenSequence, TreeError } from './process-tree.js';
export {
  intermediateProportion,
  isFlat,
  pathDepth,
  type TreeStatistics,
  treeStatistics,
} from './statistics.js';
