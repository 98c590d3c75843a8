/** The rollout log of lambda-grpo as files, for Node.js: written as a whole or not at all, read line by line. */
import { writeWhole } from '../files/index.js';
import { fileSource } from '../input/files.js';
import { InputError, JsonError, JsonReader, type Line, linesOf, readBlocks } from '../input/index.js';
import type { Group } from './group.js';
import { groupOf, serializeGroup } from './own.js';
import { RolloutError } from './values.js';

/** @throws RolloutError if an id occurs twice within a step, because readers could not distinguish the groups */
function checkIds(file: string, groups: readonly Group[]): void {
  const seen = new Set<string>();
  for (const { id, step } of groups) {
    const key = JSON.stringify([step, id]);
    if (seen.has(key))
      throw new RolloutError(
        `${file}: group ${JSON.stringify(id)}: expected each id once in a step, got it twice in step ${step}`,
      );
    seen.add(key);
  }
}

/**
 * Writes groups to a file, as a whole or not at all.
 * @throws RolloutError as `serializeGroup`, FileError; the file is then unchanged
 */
export async function writeGroups(file: string, groups: readonly Group[]): Promise<void> {
  const text = groups.map((group) => `${serializeGroup(group)}\n`).join('');
  checkIds(file, groups);
  await writeWhole(file, text);
}

/**
 * The groups of one of our logs, one at a time: the file is never in memory as a whole.
 * @throws RolloutError naming file, line and key for invalid data, and for an empty file
 */
export async function* readOwnRollouts(file: string): AsyncGenerator<Group> {
  const json = new JsonReader();
  let count = 0;
  try {
    for await (const block of readBlocks(fileSource(file))) {
      for (const line of linesOf(block)) {
        count++;
        yield groupOf(lineValue(json, line, `${file}:${line.number}`), `${file}:${line.number}`);
      }
    }
  } catch (error) {
    throw error instanceof InputError && !(error instanceof RolloutError)
      ? new RolloutError(error.message)
      : error;
  }
  if (count === 0)
    throw new RolloutError(`${file}: expected a rollout log, one JSON object per line, got no group`);
}

function lineValue(json: JsonReader, line: Line, where: string): unknown {
  if (!line.isText)
    throw new RolloutError(
      `${where}: expected UTF-8 text, one JSON object per line, got bytes that are not UTF-8`,
    );
  try {
    return json.parse(line.bytes, line.start, line.end);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new RolloutError(`${where}: ${error.message}; expected one whole JSON object per line`);
  }
}
