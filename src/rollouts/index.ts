/** Rollouts: the Group type, our own log's writer and reader. */
export type { Completion, Group, GroupSource, TokenSource } from './group.js';
export { parseGroup, RolloutError, readOwnRollouts, serializeGroup, writeGroups } from './own.js';
