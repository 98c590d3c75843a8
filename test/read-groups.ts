/** All groups of a log, and what was noted while they were read. */
import { type Group, type ReadNote, type ReadOptions, readRollouts } from '../src/rollouts/index.js';

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
