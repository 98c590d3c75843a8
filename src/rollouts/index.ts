/**
 * Rollouts: the Group type, reader and writer of a line of our rollout log, and readers of other frameworks' logs. Runs anywhere; files are
 * opened by their paths in files.ts and own-files.ts.
 */
export { type BadRow, BadRowsError, placed } from './bad-rows.js';
export type { Completion, FormatName, Group, GroupSource, TokenSource } from './group.js';
export { FORMAT_NAMES } from './group.js';
export { isBesideFolder, isLogName, trainedOn } from './names.js';
export { parseGroup, serializeGroup } from './own.js';
export { escapeBytes, joinPieces, openBytes, pieceOf, shownBytes, shownPieces } from './pieces.js';
export { formatOf, type ReadNote, type ReadOptions, readGroups } from './read.js';
export { runOfLog } from './sources.js';
export { textUnits } from './text-units.js';

export { RolloutError } from './values.js';
