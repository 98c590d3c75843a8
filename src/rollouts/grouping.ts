/**
 * Forms groups of samples. Four rules, the most reliable first: a row that is a group, a group id in every row, a fixed
 * number of consecutive rows, and equal prompts. Each rule checks what it can; a log whose groups cannot be recovered
 * is refused with the reason.
 */
import type { Scratch } from '../input/index.js';
import type { Group, GroupSource } from './group.js';
import { type GroupContext, groupOfSamples, identityOf, type Sample } from './sample.js';
import { SampleStore } from './sample-store.js';
import { RolloutError } from './values.js';

/** Number of steps whose groups may still grow; the oldest is closed when another step begins. */
const OPEN_STEPS = 4;

export interface GroupingOptions extends GroupContext {
  /** Storage for samples that do not fit into memory. */
  readonly scratch: () => Scratch;
  /** Rows per group, if the caller or the log gives the number. */
  readonly size?: number;
  /** Rows of one group may have different prompts (an environment that draws its first state). */
  readonly promptsDiffer?: boolean;
  /** By id: an id with several prompts is split into one group per prompt instead of being refused. */
  readonly splitMerged?: boolean;
  /**
   * By prompt: refuse a log in which some prompt occurs more often than the others, because it was probably drawn
   * twice.
   */
  readonly strict?: boolean;
  /** Final processing of a group's samples: may join some, refuse them, or return none. */
  readonly finish?: (samples: readonly Sample[], where: string) => readonly Sample[];
}

/** Takes a file's samples one by one and returns groups as they are complete. */
export interface Grouping {
  add(sample: Sample): Iterable<Group>;
  /** A row that could not be read; it keeps its position. */
  bad(line: number): Iterable<Group>;
  end(): Iterable<Group>;
  close(): void;
}

function* finishedGroup(
  samples: readonly Sample[],
  id: string,
  source: GroupSource,
  options: GroupingOptions,
): Generator<Group> {
  const where = `${samples[0].file ?? options.file}:${samples[0].line}`;
  const finished = options.finish?.(samples, where) ?? samples;
  if (finished.length > 0) yield groupOfSamples(finished, id, source, options);
}

interface OpenGroup {
  readonly id: string;
  /** With `splitMerged`: all groups with this id, by prompt, including this one. */
  readonly siblings: Map<string, OpenGroup>;
  readonly line: number;
  readonly members: number[];
}

/** By row: each row holds all completions of its prompt. */
export class ByRow implements Grouping {
  private count = 0;

  constructor(private readonly options: GroupingOptions) {}

  add(): Iterable<Group> {
    throw new Error('a row that is a group is complete');
  }

  *addAll(samples: readonly Sample[]): Generator<Group> {
    const id = samples[0]?.group ?? String(this.count);
    this.count++;
    if (samples.length > 0) yield* finishedGroup(samples, id, 'explicit', this.options);
  }

  bad(): Iterable<Group> {
    this.count++;
    return [];
  }

  end(): Iterable<Group> {
    return [];
  }

  close(): void {}
}

/** By the id that every row has. */
export class ById implements Grouping {
  private readonly store: SampleStore;
  private readonly steps = new Map<number | null, Map<string, OpenGroup>>();
  private readonly closed = new Set<number | null>();

  constructor(private readonly options: GroupingOptions) {
    this.store = new SampleStore(options.scratch);
  }

  *add(sample: Sample): Generator<Group> {
    const { file, promptsDiffer } = this.options;
    const where = `${sample.file ?? file}:${sample.line}`;
    const { group: id, step } = sample;
    if (id === undefined)
      throw new RolloutError(`${where}: expected a group id in every row, as in the rows before, got none`);
    let open = this.steps.get(step);
    if (!open) {
      if (this.closed.has(step))
        throw new RolloutError(
          `${where}: step: expected the rows of a step close together, got step ${step} again after ${OPEN_STEPS} later steps (its groups would be incomplete)`,
        );
      open = new Map();
      this.steps.set(step, open);
    }
    const identity = promptsDiffer ? '' : identityOf(sample);
    const first = open.get(id);
    const known = first?.siblings.get(identity);
    if (first && !known && !this.options.splitMerged)
      throw new RolloutError(
        `${where}: group ${id}: expected one prompt and answer per group, got ones that differ from line ${first.line}; this id does not identify groups`,
      );
    const member = this.store.put(sample);
    if (known) known.members.push(member);
    else {
      const siblings = first?.siblings ?? new Map<string, OpenGroup>();
      const opened = { id, line: sample.line, members: [member], siblings };
      siblings.set(identity, opened);
      if (!first) open.set(id, opened);
    }
    if (this.steps.size > OPEN_STEPS) {
      const oldest = this.steps.keys().next().value as number | null;
      this.closed.add(oldest);
      yield* this.flush(oldest);
    }
  }

  bad(): Iterable<Group> {
    return [];
  }

  *end(): Generator<Group> {
    for (const step of [...this.steps.keys()]) yield* this.flush(step);
  }

  private *flush(step: number | null): Generator<Group> {
    const open = this.steps.get(step)!;
    this.steps.delete(step);
    for (const { id, siblings } of open.values()) {
      const parts = Array.from(siblings.values(), ({ members }) =>
        members.map((member) => this.store.take(member)),
      );
      if (parts.length === 1) yield* finishedGroup(parts[0], id, 'explicit', this.options);
      else yield* this.apart(id, parts);
    }
  }

  /** Groups of one id, one per prompt: `id/1`, `id/2`. */
  private *apart(id: string, parts: readonly (readonly Sample[])[]): Generator<Group> {
    const rewards = Float64Array.from(parts.flat(), ({ reward }) => reward);
    let from = 0;
    for (const [p, samples] of parts.entries()) {
      for (const group of finishedGroup(samples, `${id}/${p + 1}`, 'explicit', this.options)) {
        // If a format joined or left out samples, the indices no longer match.
        const isWhole = group.completions.length === samples.length;
        yield { ...group, ...(isWhole && { merged: { id, rewards, from } }) };
      }
      from += samples.length;
    }
  }

  close(): void {
    this.store.close();
  }
}

interface Place {
  readonly line: number;
  /** null: a row that could not be read. */
  readonly member: number | null;
  readonly identity: string | null;
}

/**
 * By position: a fixed number of consecutive rows with one prompt. Without a given size it is determined from the whole
 * file.
 */
export class ByPlace implements Grouping {
  private readonly store: SampleStore;
  private rows: Place[] = [];
  private count = 0;

  constructor(private readonly options: GroupingOptions) {
    const { size, scratch } = options;
    this.store = new SampleStore(scratch);
    if (size !== undefined && !(Number.isInteger(size) && size > 0))
      throw new RolloutError(`group size: expected a whole number from 1, got ${size}`);
  }

  *add(sample: Sample): Generator<Group> {
    this.rows.push({ line: sample.line, member: this.store.put(sample), identity: identityOf(sample) });
    yield* this.full();
  }

  *bad(line: number): Generator<Group> {
    this.rows.push({ line, member: null, identity: null });
    yield* this.full();
  }

  private *full(): Generator<Group> {
    if (this.rows.length !== this.options.size) return;
    const rows = this.rows;
    this.rows = [];
    yield* this.group(rows);
  }

  *end(): Generator<Group> {
    const { file, size } = this.options;
    if (this.rows.length === 0) return;
    if (size !== undefined)
      throw new RolloutError(
        `${file}:${this.rows[0].line}: expected groups of ${size} rows, got ${this.rows.length} rows after the last whole group`,
      );
    const runLength = sizeOfRuns(this.rows);
    if (runLength === 1 && this.rows.length > 1)
      throw new RolloutError(
        `${file}: expected a group id, or rows of one prompt that follow each other, got neither; its groups cannot be recovered (if every prompt has one completion, set the group size to 1)`,
      );
    for (let at = 0; at < this.rows.length; at += runLength)
      yield* this.group(this.rows.slice(at, at + runLength));
  }

  private *group(rows: readonly Place[]): Generator<Group> {
    const read = rows.filter((row) => row.member !== null);
    const other = read.find(({ identity }) => identity !== read[0].identity);
    if (other)
      throw new RolloutError(
        `${this.options.file}:${other.line}: expected groups of equal size whose rows follow each other, got a prompt that differs from line ${read[0].line} in a group of ${rows.length} rows; these groups cannot be recovered`,
      );
    const id = String(this.count++);
    if (read.length === 0) return;
    const samples = read.map(({ member }) => this.store.take(member!));
    yield* finishedGroup(samples, id, 'consecutive', this.options);
  }

  close(): void {
    this.store.close();
  }
}

/** The largest size that divides every run of equal prompts; runs next to an unreadable row are ignored. */
function sizeOfRuns(rows: readonly Place[]): number {
  let size = 0;
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    while (to < rows.length && rows[to].identity === rows[from].identity) to++;
    const whole = [rows[from - 1], rows[from], rows[to]].every(
      (row) => row === undefined || row.member !== null,
    );
    if (whole) size = gcd(size, to - from);
    from = to;
  }
  return size || rows.length;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** By equal prompts within a step, for logs without any other information. */
export class ByPrompt implements Grouping {
  private readonly store: SampleStore;
  private readonly steps = new Map<number | null, Map<string, { line: number; members: number[] }>>();
  private unread = 0;

  constructor(private readonly options: GroupingOptions) {
    this.store = new SampleStore(options.scratch);
  }

  add(sample: Sample): Iterable<Group> {
    if (sample.group !== undefined)
      throw new RolloutError(
        `${this.options.file}:${sample.line}: expected a group id in every row or in none, got one after rows without a group id`,
      );
    let open = this.steps.get(sample.step);
    if (!open) {
      open = new Map();
      this.steps.set(sample.step, open);
    }
    const identity = identityOf(sample);
    const member = this.store.put(sample);
    const known = open.get(identity);
    if (known) known.members.push(member);
    else open.set(identity, { line: sample.line, members: [member] });
    return [];
  }

  bad(): Iterable<Group> {
    this.unread++;
    return [];
  }

  *end(): Generator<Group> {
    for (const open of this.steps.values()) if (this.options.strict) this.check([...open.values()]);
    for (const open of this.steps.values()) {
      let count = 0;
      for (const { members } of open.values()) {
        const samples = members.map((member) => this.store.take(member));
        yield* finishedGroup(samples, String(count++), 'prompt-text', this.options);
      }
    }
  }

  /** A prompt that occurs more often than the others was drawn twice, and its groups cannot be distinguished. */
  private check(groups: readonly { line: number; members: number[] }[]): void {
    const { file, size } = this.options;
    const rows = groups.reduce((sum, { members }) => sum + members.length, 0);
    const largest = groups.reduce((most, { members }) => Math.max(most, members.length), 0);
    if (size === undefined && groups.length === 1 && rows > 1)
      throw new RolloutError(
        `${file}: expected a group id, got none, and all ${rows} prompts are the same text; the groups cannot be recovered (use --group-size ${rows} if this is one group)`,
      );
    const expected = size ?? largest;
    const missing = groups.reduce((sum, { members }) => sum + Math.max(0, expected - members.length), 0);
    const wrong = groups.find(({ members }) => members.length !== expected);
    if (wrong && (largest > expected || missing > this.unread))
      throw new RolloutError(
        `${file}:${wrong.line}: expected a group id, got none, and this prompt occurs ${wrong.members.length} times, where ${size === undefined ? 'other prompts occur' : 'a group has'} ${expected}; groups with a repeated prompt cannot be recovered`,
      );
  }

  close(): void {
    this.store.close();
  }
}
