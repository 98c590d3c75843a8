/**
 * Reads external files: completely, by exact name, with exact numbers, in bounded memory. Independent of the platform:
 * bytes come from a `Source` (files.ts for Node.js, web.ts for browsers).
 */
export {
  type Block,
  beginsWithMark,
  checkUnpacks,
  type Line,
  linesOf,
  readBlocks,
  readBytes,
} from './bytes.js';
export { type Element, elementsOf } from './elements.js';
export { InputError, messageOf } from './errors.js';
export { type Json, JsonError, type JsonObject, JsonReader } from './json.js';
export { LIMITS } from './limits.js';
export type {
  Column,
  Machine,
  OpenSource,
  ParquetReader,
  ParquetRow,
  Scratch,
  Source,
} from './source.js';
export { beginsWith, isUtf8, joinBytes, textOf } from './text.js';
export { readTorch } from './torch.js';
export { decimalOf, WrittenNumber } from './written-number.js';
