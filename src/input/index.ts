/** Reading files of others: whole, by their exact names, every number as it stands, in bounded memory. */
export { type Block, checkUnpacks, isText, type Line, linesOf, readBlocks, readBytes } from './bytes.js';
export {
  type Column,
  literalName,
  openDuckDB,
  type ParquetRow,
  parquetColumns,
  parquetRows,
  parquetTable,
  parquetTarget,
} from './duckdb.js';
export { type Element, elementsOf } from './elements.js';
export { InputError, messageOf } from './errors.js';
export { type Json, JsonError, type JsonObject, JsonReader } from './json.js';
export { LIMITS } from './limits.js';
export { readTorch } from './torch.js';
export { decimalOf, WrittenNumber } from './written-number.js';
