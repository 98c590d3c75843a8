/** Reads logs twice, by their paths and from Blobs with the browser's libraries. Both results must be equal. */
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { blobSource } from '../src/input/web.js';
import { findFiles, readRollouts } from '../src/rollouts/files.js';
import { type Group, type ReadNote, type ReadOptions, readGroups } from '../src/rollouts/index.js';

interface Outcome {
  readonly groups: Group[];
  readonly notes: ReadNote[];
  readonly bad: Parameters<NonNullable<ReadOptions['onBad']>>[0][];
  readonly error: Error | null;
}

async function outcomeOf(
  read: (options: ReadOptions) => AsyncIterable<Group>,
  options: ReadOptions,
): Promise<Outcome> {
  const groups: Group[] = [];
  const notes: ReadNote[] = [];
  const bad: Outcome['bad'] = [];
  const readOptions: ReadOptions = {
    ...options,
    onNote: (note) => notes.push(note),
    onBad: (row) => bad.push(row),
  };
  try {
    for await (const group of read(readOptions)) groups.push(group);
    return { groups, notes, bad, error: null };
  } catch (error) {
    return { groups, notes, bad, error: error as Error };
  }
}

/** The libraries say in their own words what is wrong within a Parquet file. */
const withoutReason = (message: string | undefined) =>
  message?.replace(/(cannot be read as Parquet): .*/, '$1');

/** As `readRollouts`, which must give what a page gives. */
export async function* readBoth(
  source: string | readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<Group> {
  const passed: ReadNote[] = [];
  const files = await findFiles(typeof source === 'string' ? [source] : source, (file, message) =>
    passed.push({ file, line: null, message, warning: false }),
  ).catch(() => []);
  const node = await outcomeOf((readOptions) => readRollouts(source, readOptions), options);
  if (files.length > 0) {
    const blobs = await Promise.all(
      files.map(async ({ path }) => blobSource(new Blob([await readFile(path)]), path)),
    );
    const page = await outcomeOf((readOptions) => readGroups(blobs, readOptions), options);
    expect(withoutReason(page.error?.message)).toBe(withoutReason(node.error?.message));
    const messages = ({ bad }: Outcome) => bad.map(({ message }) => withoutReason(message));
    expect(messages(page)).toEqual(messages(node));
    expect([...passed, ...page.notes]).toEqual(node.notes);
    expect(page.groups).toEqual(node.groups);
  }
  for (const note of node.notes) options.onNote?.(note);
  for (const row of node.bad) options.onBad?.(row);
  yield* node.groups;
  if (node.error) throw node.error;
}
