/**
 * Padding of token ids: removed with a mask, or detected without one. A padded row has, at one end, a run of one id
 * that was never sampled. If it were counted as tokens, it would change the tree and every figure.
 */
import type { Group } from './group.js';

/**
 * A sequence without padding at its ends. Padding is a run of one id at an end that the mask excludes.
 * @param tokens [n]; @param mask 1 if sampled, [n]
 * @param prompted whether the sequence begins with a prompt, which the mask excludes too: a single id is not padding
 * there
 */
export function withoutPadding(
  tokens: Int32Array,
  mask: Uint8Array,
  prompted: boolean,
): { readonly tokens: Int32Array; readonly mask: Uint8Array } {
  const n = tokens.length;
  // In a row without any sampled token (one that was cut off and excluded from training) a single id is not padding.
  const least = mask.includes(1) ? 1 : RUN;
  let end = n;
  while (end > 0 && mask[end - 1] === 0 && tokens[end - 1] === tokens[n - 1]) end--;
  if (n - end < least) end = n;
  let start = 0;
  while (start < end && mask[start] === 0 && tokens[start] === tokens[0]) start++;
  if (start < (prompted ? RUN : least)) start = 0;
  return { tokens: tokens.subarray(start, end), mask: mask.subarray(start, end) };
}

/** Minimum length of a run of padding. */
const RUN = 2;
/** Minimum length if all rows of a group share the run, because texts may end alike. */
const LONG_RUN = 4;
/** Minimum share of padded rows among the rows of groups with equal lengths. */
const SHARE = 0.05;

interface Side {
  readonly verb: string;
  readonly runOf: (tokens: Int32Array) => number;
  readonly idOf: (tokens: Int32Array) => number;
  /** Number of padded rows by the id of their padding. */
  readonly rows: Map<number, number>;
  /** Line of the first group with such rows. */
  line: number | null;
}

/**
 * Looks for padding in the groups of one file: groups whose completions all have the same length, some of which end (or
 * begin) with a run of one id that occurs nowhere else in them.
 */
export class PaddingWatch {
  private rows = 0;
  private readonly sides: readonly Side[] = [
    {
      verb: 'end',
      runOf: runAtEnd,
      idOf: (tokens) => tokens[tokens.length - 1],
      rows: new Map(),
      line: null,
    },
    { verb: 'begin', runOf: runAtStart, idOf: (tokens) => tokens[0], rows: new Map(), line: null },
  ];

  add({ tokens: kind, completions, source }: Group): void {
    if (kind !== 'exact' || completions.length < 2) return;
    const lists = completions.map(({ tokens }) => tokens);
    if (lists.some(({ length }) => length !== lists[0].length)) return;
    this.rows += lists.length;
    for (const side of this.sides) {
      const padded = paddedRows(lists, side);
      if (padded === null) continue;
      side.rows.set(padded.id, (side.rows.get(padded.id) ?? 0) + padded.rows);
      side.line ??= source?.line ?? null;
    }
  }

  /** A description of what looks like padding; null: nothing does. */
  result(): { readonly line: number | null; readonly message: string } | null {
    for (const { verb, rows: byId, line } of this.sides) {
      const [id, rows] = [...byId].sort(([, a], [, b]) => b - a)[0] ?? [0, 0];
      if (rows < 2 || rows < SHARE * this.rows) continue;
      const message = `${rows} of ${this.rows} completions ${verb} with a run of token id ${id}, in groups whose completions all have the same length; this looks like padding, and all figures count it as sampled tokens`;
      return { line, message };
    }
    return null;
  }
}

function paddedRows(
  lists: readonly Int32Array[],
  { runOf, idOf }: Side,
): { readonly id: number; readonly rows: number } | null {
  const runs = lists.map(runOf);
  const first = runs.findIndex((run, i) => run >= RUN && run < lists[i].length);
  if (first < 0) return null;
  if (runs.every((run) => run === runs[0]) && runs[0] < LONG_RUN) return null;
  const id = idOf(lists[first]);
  let rows = 0;
  for (let i = 0; i < lists.length; i++) {
    let times = 0;
    for (const token of lists[i]) if (token === id) times++;
    const run = idOf(lists[i]) === id ? runs[i] : 0;
    const atEnd = lists[i][lists[i].length - 1] === id && run < times ? 1 : 0; // the id may also end a text
    if (times > run + atEnd) return null;
    if (run >= RUN) rows++;
  }
  return { id, rows };
}

function runAtEnd(tokens: Int32Array): number {
  const last = tokens.length - 1;
  let at = last;
  while (at >= 0 && tokens[at] === tokens[last]) at--;
  return last - at;
}

function runAtStart(tokens: Int32Array): number {
  let at = 0;
  while (at < tokens.length && tokens[at] === tokens[0]) at++;
  return at;
}
