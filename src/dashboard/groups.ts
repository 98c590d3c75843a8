/**
 * The groups of a step, read from its rollout file. The file is scanned once for each group's table row and offset; an
 * opened group is read from its offset. Files are written as a whole, so size and time show whether one has changed.
 */

import type { FileHandle } from 'node:fs/promises';
import { describeTrained, type RunObjective } from '../analysis/index.js';
import { parseGroup } from '../rollouts/index.js';
import { RunFolder } from '../train/run-folder.js';
import type { GroupDetail, GroupRow, StepGroups } from './api.js';
import { messageOf, Refusal } from './errors.js';
import { detailOf, judgedGroup, rowOf, withParts } from './group-rows.js';
import { openInside } from './inside.js';
import { LONGEST_LINE, linesOf } from './lines.js';

/** Number of steps whose tables are kept. */
const KEPT = 64;

interface StepIndex {
  readonly stamp: string;
  readonly rows: readonly GroupRow[];
  /** Offsets of the first byte and the end of each group's line. */
  readonly places: readonly (readonly [start: number, end: number])[];
  readonly problem: string | null;
}

/** A run and its way of judging groups. */
export interface JudgedRun {
  readonly run: string;
  /** Null: unknown; groups are then judged as in the paper. */
  readonly objective: RunObjective | null;
}

export class GroupReader {
  private readonly indices = new Map<string, Promise<StepIndex>>();

  constructor(private readonly root: string) {}

  /** @throws Refusal 404 if the step has no rollouts */
  async step({ run, objective }: JudgedRun, step: number): Promise<StepGroups> {
    return this.withFile(run, step, async (file, name) => {
      const { rows, problem } = await this.index(file, name, run, step, objective);
      const judged = objective ? { judged: describeTrained(objective) } : {};
      return { run, step, groups: rows, ...judged, ...(problem === null ? {} : { problem }) };
    });
  }

  /** @throws Refusal 404 if there is no such group */
  async group({ run, objective }: JudgedRun, step: number, n: number): Promise<GroupDetail> {
    return this.withFile(run, step, async (file, name) => {
      const { places } = await this.index(file, name, run, step, objective);
      const place = places[n];
      if (!place) throw new Refusal(404, `${run}, step ${step}: no group ${n}; there are ${places.length}`);
      const [start, end] = place;
      const bytes = Buffer.allocUnsafe(end - start);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      const group = parseGroup(bytes.toString('utf8', 0, bytesRead), `${name}, group ${n}`);
      return detailOf(run, step, n, group, objective);
    });
  }

  private async withFile<T>(
    run: string,
    step: number,
    use: (file: FileHandle, name: string) => Promise<T>,
  ): Promise<T> {
    const name = new RunFolder('').rolloutsFile(step);
    const file = await openInside(this.root, [...run.split('/'), ...name.split(/[/\\]/)]);
    if (!file) throw new Refusal(404, `${run}: no rollouts of step ${step}`);
    try {
      return await use(file, name);
    } finally {
      await file.close();
    }
  }

  private async index(
    file: FileHandle,
    name: string,
    run: string,
    step: number,
    objective: RunObjective | null,
  ): Promise<StepIndex> {
    const { ino, size, mtimeMs } = await file.stat();
    const [key, stamp] = [`${step} ${run}`, `${ino} ${size} ${mtimeMs} ${JSON.stringify(objective)}`];
    const kept = await this.indices.get(key)?.catch(() => null);
    this.indices.delete(key);
    const index = kept?.stamp === stamp ? Promise.resolve(kept) : indexOf(file, name, stamp, objective);
    // The most recently used entry is the last.
    this.indices.set(key, index);
    for (const oldest of this.indices.keys()) {
      if (this.indices.size <= KEPT) break;
      this.indices.delete(oldest);
    }
    return index;
  }
}

/** A line that is not a group is reported and skipped. */
async function indexOf(
  file: FileHandle,
  name: string,
  stamp: string,
  objective: RunObjective | null,
): Promise<StepIndex> {
  const rows: GroupRow[] = [];
  const places: [number, number][] = [];
  let problem: string | null = null;
  for await (const { number, start, bytes } of linesOf(file)) {
    try {
      if (bytes === null) throw new Error(`${name}:${number}: longer than ${LONGEST_LINE} bytes`);
      const text = bytes.toString('utf8');
      if (text.trim() === '') continue;
      const group = parseGroup(text, `${name}:${number}`);
      rows.push(rowOf(group, rows.length, judgedGroup(group, objective)));
      places.push([start, start + bytes.length]);
    } catch (error) {
      problem ??= messageOf(error);
    }
  }
  if (rows.length === 0) problem ??= `${name}: expected groups, got none`;
  return { stamp, rows: withParts(rows), places, problem };
}
