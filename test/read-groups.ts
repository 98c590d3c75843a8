/** All groups of a log, and the notes that its reader gave. */

import type { Group, ReadNote, ReadOptions } from '../src/rollouts/index.js';
import { readBoth as readRollouts } from './read-both.js';

export async function readGroups(
  source: string,
  options: ReadOptions = {},
): Promise<{ groups: Group[]; notes: ReadNote[] }> {
  const notes: ReadNote[] = [];
  const groups: Group[] = [];
  for await (const group of readRollouts(source, { onNote: (note) => notes.push(note), ...options }))
    groups.push(group);
  return { groups, notes };
}
