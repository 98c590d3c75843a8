/** Rollouts: the Group type, our own log's writer and reader, readers of other frameworks' logs. */
export { type BadRow, BadRowsError } from './bad-rows.js';
export { isBesideFolder, isLogName, trainedOn } from './files.js';
export type { Completion, FormatName, Group, GroupSource, TokenSource } from './group.js';
export { FORMAT_NAMES } from './group.js';
export { parseGroup, readOwnRollouts, serializeGroup, writeGroups } from './own.js';
export { escapeBytes, joinPieces, openBytes, pieceOf, shownBytes, shownPieces } from './pieces.js';
export { formatOfLog, type ReadNote, type ReadOptions, readRollouts } from './read.js';
export { runOfLog } from './sources.js';
export { textUnits } from './text-units.js';

export { RolloutError } from './values.js';
