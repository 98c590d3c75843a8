/**
 * Where the members of a process set branch: the length of their common prefix, and which members continue together.
 * These are the two inner loops of building a tree; both work in place on given memory.
 */

/** Tokens compared at a time with each member: the first block size, and the largest, because blocks double. */
const FIRST_BLOCK = 16;
const LARGEST_BLOCK = 256;

/**
 * Length of the longest prefix that all of members[from … from + count) share; they are known to share `begin` tokens.
 * Each member is compared with the first one, block by block. A difference shortens the range for the next members, so
 * at most one block beyond the common prefix is read.
 */
export function commonEnd(
  tokens: readonly Int32Array[],
  members: Int32Array,
  from: number,
  count: number,
  begin: number,
): number {
  const first = tokens[members[from]];
  const to = from + count;
  let limit = first.length;
  let at = begin;
  let block = FIRST_BLOCK;
  while (at < limit) {
    const blockEnd = Math.min(at + block, limit);
    let agreed = blockEnd;
    for (let i = from + 1; i < to; i++) agreed = agreement(first, tokens[members[i]], at, agreed);
    if (agreed < blockEnd) limit = agreed;
    at = agreed;
    if (block < LARGEST_BLOCK) block *= 2;
  }
  return limit;
}

/**
 * First index in [at, end) where two sequences differ or b ends; `end` if there is none. Eight tokens per iteration and
 * 32-bit sums take half the time of the plain loop, which checks bounds and overflow at each token.
 */
function agreement(a: Int32Array, b: Int32Array, at: number, end: number): number {
  const stop = Math.min(b.length, end) | 0;
  const lastTurn = (stop - 7) | 0;
  let i = at | 0;
  for (; i < lastTurn; i = (i + 8) | 0) {
    if (
      a[i] !== b[i] ||
      a[(i + 1) | 0] !== b[(i + 1) | 0] ||
      a[(i + 2) | 0] !== b[(i + 2) | 0] ||
      a[(i + 3) | 0] !== b[(i + 3) | 0] ||
      a[(i + 4) | 0] !== b[(i + 4) | 0] ||
      a[(i + 5) | 0] !== b[(i + 5) | 0] ||
      a[(i + 6) | 0] !== b[(i + 6) | 0] ||
      a[(i + 7) | 0] !== b[(i + 7) | 0]
    )
      break;
  }
  while (i < stop && a[i] === b[i]) i = (i + 1) | 0;
  return i;
}

/**
 * Sorts members of a set by their next token, in the order of its first occurrence; members that have ended form a
 * separate branch. Linear in the number of members, whatever the number of branches.
 */
export class Branches {
  /** Index in `members` of each branch's first member; a branch ends where the next one begins. */
  readonly from: Int32Array;
  /** Next token of each branch. */
  private readonly token: Int32Array;
  private readonly branchOf: Int32Array;
  private readonly sorted: Int32Array;
  /** Hash table with open addressing: the branch of a token, −1 if free. */
  private readonly table: Int32Array;

  /** @param capacity maximum number of members in a set */
  constructor(capacity: number) {
    this.from = new Int32Array(capacity + 1);
    this.token = new Int32Array(capacity);
    this.branchOf = new Int32Array(capacity);
    this.sorted = new Int32Array(capacity);
    this.table = new Int32Array(2 ** (32 - Math.clz32(2 * capacity - 1)));
  }

  /**
   * Reorders members[from … from + count), who share exactly their first `at` tokens.
   * @returns the number of branches b; `from` holds their b + 1 limits until the next call
   */
  split(tokens: readonly Int32Array[], members: Int32Array, from: number, count: number, at: number): number {
    const { from: limits, token, branchOf, sorted, table } = this;
    // A power of two, at least twice and less than four times the number of members.
    const shift = Math.clz32(2 * count - 1);
    const mask = -1 >>> shift;
    table.fill(-1, 0, mask + 1);
    let branches = 0;
    let ended = -1;
    limits[0] = 0;
    for (let i = 0; i < count; i++) {
      const sequence = tokens[members[from + i]];
      let branch: number;
      if (at < sequence.length) {
        const next = sequence[at];
        let place = Math.imul(next, 0x9e3779b1) >>> shift;
        branch = table[place];
        while (branch >= 0 && token[branch] !== next) {
          place = (place + 1) & mask;
          branch = table[place];
        }
        if (branch < 0) {
          branch = branches++;
          table[place] = branch;
          token[branch] = next;
          limits[branches] = 0;
        }
      } else {
        if (ended < 0) {
          ended = branches++;
          limits[branches] = 0;
        }
        branch = ended;
      }
      branchOf[i] = branch;
      limits[branch + 1]++;
    }
    if (branches < 2) return branches;
    // Converts sizes to start indices; writing advances each branch's start to that of the next one.
    let place = from;
    for (let branch = 0; branch < branches; branch++) {
      const size = limits[branch + 1];
      limits[branch] = place;
      place += size;
    }
    limits[branches] = place;
    for (let i = 0; i < count; i++) sorted[limits[branchOf[i]]++ - from] = members[from + i];
    for (let i = 0; i < count; i++) members[from + i] = sorted[i];
    for (let branch = branches - 1; branch > 0; branch--) limits[branch] = limits[branch - 1];
    limits[0] = from;
    return branches;
  }
}
