/**
 * Reading files of others: whole, by their exact names, every number as it stands, in bounded memory. Runs anywhere; where the bytes
 * come from is a `Source`: files.ts has those of Node.js, web.ts those of a browser.
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
