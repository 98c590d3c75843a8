/**
 * The process tree B(G) of a group of completions (PAPER.md §2). A node is a process set λ: all completions that
 * share a prefix; its process step is the tokens [start, end) by which that prefix is longer than the parent's.
 * The root is the whole group; a leaf is one distinct completion (equal ones are one leaf). The tree is over the
 * completions alone: a prompt that all share would only lengthen the root's step.
 *
 * Built depth-first with a stack of its own. Each shared token is compared about once for each member, a leaf's own
 * tail is never read, and nothing is allocated per token.
 */

/** Token ids of one completion. */
export type TokenSequence = Int32Array | Uint32Array | Uint16Array | readonly number[];

/** A group without a tree, or a place outside of it. */
export class TreeError extends Error {
  override name = 'TreeError';
}

/** Tokens compared at a time: what is read beyond a branching is at most this for each member. */
const BLOCK = 64;
/** Stands for "no further token" among the next tokens of a node's members; outside the int32 range. */
const ENDED = 2 ** 31;
/** Up to so many different next tokens a list is faster than a map. */
const FEW = 16;

export class ProcessTree {
  /** Number of completions, k. */
  readonly groupSize: number;
  /** The completions, [k][|g|]; an Int32Array given in is kept, not copied. */
  readonly tokens: readonly Int32Array[];
  /** |g| of each completion, [k]. */
  readonly lengths: Int32Array;
  /** Σ|g|. */
  readonly tokenCount: number;
  readonly nodeCount: number;
  /** Number of distinct completions. */
  readonly leafCount: number;
  /** Tokens of all steps together: what is left when shared tokens count once. */
  readonly distinctTokenCount: number;
  /** Parent of each node, −1 for the root, [nodes]. Nodes are in depth-first preorder, the root is 0. */
  readonly parent: Int32Array;
  /** Nodes above each node, [nodes]. */
  readonly depth: Int32Array;
  /** First token of each step, as a place in the completion, [nodes]. */
  readonly start: Int32Array;
  /** One past the last token of each step, [nodes]. */
  readonly end: Int32Array;
  /** |λ| of each node, [nodes]. */
  readonly size: Int32Array;
  /** First node after each node's subtree, [nodes]. */
  readonly subtreeEnd: Int32Array;
  /** Completions in the order of the leaves, [k]: a node's members stand together. */
  readonly members: Int32Array;
  /** Where a node's members begin in `members`, [nodes]. */
  readonly memberStart: Int32Array;
  /** The leaf of each completion, [k]. */
  readonly leaf: Int32Array;

  private constructor(completions: readonly TokenSequence[]) {
    const k = completions.length;
    if (k === 0) throw new TreeError('a group must have at least one completion, found none');
    const tokens = completions.map((c) => (c instanceof Int32Array ? c : Int32Array.from(c)));
    const lengths = new Int32Array(k);
    let tokenCount = 0;
    for (let i = 0; i < k; i++) {
      lengths[i] = tokens[i].length;
      tokenCount += lengths[i];
    }
    // Every inner node branches, so there are fewer than 2k nodes.
    const capacity = 2 * k;
    const memory = new Int32Array(7 * capacity);
    const column = (i: number): Int32Array => memory.subarray(i * capacity, (i + 1) * capacity);
    const [parent, depth, start, end, size, memberStart, subtreeEnd] = [0, 1, 2, 3, 4, 5, 6].map(column);
    const members = new Int32Array(k);
    for (let i = 0; i < k; i++) members[i] = i;
    const leaf = new Int32Array(k);
    const classes = new Classes(k);

    // Waiting nodes: parent, first member, number of members. Popped in preorder.
    const stack = [-1, 0, k];
    let nodeCount = 0;
    let leafCount = 0;
    let distinct = 0;
    while (stack.length > 0) {
      const count = stack.pop() as number;
      const from = stack.pop() as number;
      const above = stack.pop() as number;
      const node = nodeCount++;
      const begin = above < 0 ? 0 : end[above];
      parent[node] = above;
      depth[node] = above < 0 ? 0 : depth[above] + 1;
      start[node] = begin;
      size[node] = count;
      memberStart[node] = from;
      subtreeEnd[node] = node + 1;
      const stop = count === 1 ? lengths[members[from]] : commonEnd(tokens, members, from, count, begin);
      end[node] = stop;
      distinct += stop - begin;
      const branches = count === 1 ? 0 : classes.partition(tokens, members, from, count, stop);
      if (branches < 2) {
        leafCount++;
        for (let i = from; i < from + count; i++) leaf[members[i]] = node;
      } else {
        for (let c = branches - 1; c >= 0; c--) {
          stack.push(node, from + classes.offset[c], classes.count[c]);
        }
      }
    }
    for (let node = nodeCount - 1; node > 0; node--) {
      const above = parent[node];
      if (subtreeEnd[node] > subtreeEnd[above]) subtreeEnd[above] = subtreeEnd[node];
    }
    this.groupSize = k;
    this.tokens = tokens;
    this.lengths = lengths;
    this.tokenCount = tokenCount;
    this.nodeCount = nodeCount;
    this.leafCount = leafCount;
    this.distinctTokenCount = distinct;
    this.parent = parent.subarray(0, nodeCount);
    this.depth = depth.subarray(0, nodeCount);
    this.start = start.subarray(0, nodeCount);
    this.end = end.subarray(0, nodeCount);
    this.size = size.subarray(0, nodeCount);
    this.memberStart = memberStart.subarray(0, nodeCount);
    this.subtreeEnd = subtreeEnd.subarray(0, nodeCount);
    this.members = members;
    this.leaf = leaf;
  }

  /**
   * Builds the tree of a group.
   * @param completions token ids of each completion, [k][|g|]; duplicates, prefixes of one another and empty ones
   * are all allowed
   * @throws TreeError for a group without completions
   * @example
   * const tree = ProcessTree.build([[1, 2, 3], [1, 2, 4], [5]]);
   * tree.nodeCount; // 5: the root (empty step), [1, 2], [3], [4], [5]
   */
  static build(completions: readonly TokenSequence[]): ProcessTree {
    return new ProcessTree(completions);
  }

  /** Completions of λ, [|λ|]: a view. */
  membersOf(node: number): Int32Array {
    const from = this.memberStart[node];
    return this.members.subarray(from, from + this.size[node]);
  }

  /** A completion that passes through the node. */
  representative(node: number): number {
    return this.members[this.memberStart[node]];
  }

  isLeaf(node: number): boolean {
    return this.subtreeEnd[node] === node + 1;
  }

  /** Children in the order in which the group first shows them. */
  childrenOf(node: number): number[] {
    const children: number[] = [];
    for (let child = node + 1; child < this.subtreeEnd[node]; child = this.subtreeEnd[child])
      children.push(child);
    return children;
  }

  /** Nodes from the root to the completion's leaf. */
  pathOf(completion: number): Int32Array {
    this.check(completion);
    const leaf = this.leaf[completion];
    const path = new Int32Array(this.depth[leaf] + 1);
    for (let node = leaf; node >= 0; node = this.parent[node]) path[this.depth[node]] = node;
    return path;
  }

  /** λ⁽ⁱ'ᵗ⁾: the node whose step holds token t of a completion. @throws TreeError outside the completion */
  nodeAt(completion: number, t: number): number {
    this.check(completion);
    if (!(Number.isInteger(t) && t >= 0 && t < this.lengths[completion])) {
      throw new TreeError(
        `token ${t} is outside completion ${completion} of ${this.lengths[completion]} tokens`,
      );
    }
    let node = this.leaf[completion];
    while (this.start[node] > t) node = this.parent[node];
    return node;
  }

  /** λ⁽ⁱ'ᵗ⁾ of every token of a completion, [|g|]; written into `out` if given. */
  tokenNodes(completion: number, out?: Int32Array): Int32Array {
    this.check(completion);
    const nodes = out ?? new Int32Array(this.lengths[completion]);
    for (let node = this.leaf[completion]; node >= 0; node = this.parent[node]) {
      nodes.fill(node, this.start[node], this.end[node]);
    }
    return nodes;
  }

  /** |λ⁽ⁱ'ᵗ⁾| of every token of a completion, [|g|]. */
  tokenSizes(completion: number): Int32Array {
    this.check(completion);
    const sizes = new Int32Array(this.lengths[completion]);
    for (let node = this.leaf[completion]; node >= 0; node = this.parent[node]) {
      sizes.fill(this.size[node], this.start[node], this.end[node]);
    }
    return sizes;
  }

  /** Token ids of a node's step, [end − start]: a view. */
  stepTokens(node: number): Int32Array {
    return this.tokens[this.representative(node)].subarray(this.start[node], this.end[node]);
  }

  private check(completion: number): void {
    if (!(Number.isInteger(completion) && completion >= 0 && completion < this.groupSize)) {
      throw new TreeError(`completion ${completion} is outside the group of ${this.groupSize}`);
    }
  }
}

/** Length of the longest prefix that all given members share; they are known to share `begin` tokens. */
function commonEnd(
  tokens: readonly Int32Array[],
  members: Int32Array,
  from: number,
  count: number,
  begin: number,
): number {
  const first = tokens[members[from]];
  let at = begin;
  let limit = first.length;
  while (at < limit) {
    const blockEnd = Math.min(at + BLOCK, limit);
    let agreed = blockEnd;
    for (let i = from + 1; i < from + count; i++) {
      agreed = agreement(first, tokens[members[i]], at, agreed);
    }
    if (agreed < blockEnd) limit = agreed;
    at = agreed;
  }
  return limit;
}

/** First place in [at, end) where two sequences differ or one ends; `end` if there is none. */
function agreement(a: Int32Array, b: Int32Array, at: number, end: number): number {
  const stop = Math.min(b.length, end);
  let i = at;
  while (i < stop && a[i] === b[i]) i++;
  return i;
}

/** Sorts a node's members by their next token, in the order in which the tokens first appear. */
class Classes {
  /** Members of each class. */
  readonly count: Int32Array;
  /** First member of each class, counted from the node's first. */
  readonly offset: Int32Array;
  private readonly keys: Float64Array;
  private readonly classOf: Int32Array;
  private readonly moved: Int32Array;

  constructor(k: number) {
    const memory = new Int32Array(4 * k);
    this.count = memory.subarray(0, k);
    this.offset = memory.subarray(k, 2 * k);
    this.classOf = memory.subarray(2 * k, 3 * k);
    this.moved = memory.subarray(3 * k);
    this.keys = new Float64Array(k);
  }

  /** @returns the number of classes; `count` and `offset` describe them until the next call */
  partition(
    tokens: readonly Int32Array[],
    members: Int32Array,
    from: number,
    size: number,
    at: number,
  ): number {
    const { count, offset, keys, classOf, moved } = this;
    let classes = 0;
    let known: Map<number, number> | null = null;
    for (let i = 0; i < size; i++) {
      const sequence = tokens[members[from + i]];
      const key = at < sequence.length ? sequence[at] : ENDED;
      let found = -1;
      if (known) found = known.get(key) ?? -1;
      else {
        for (let c = 0; c < classes; c++) {
          if (keys[c] === key) {
            found = c;
            break;
          }
        }
      }
      if (found < 0) {
        found = classes++;
        keys[found] = key;
        count[found] = 0;
        if (known) known.set(key, found);
        else if (classes > FEW) known = new Map(Array.from({ length: classes }, (_, c) => [keys[c], c]));
      }
      classOf[i] = found;
      count[found]++;
    }
    let next = 0;
    for (let c = 0; c < classes; c++) {
      offset[c] = next;
      next += count[c];
    }
    if (classes < 2) return classes;
    for (let i = 0; i < size; i++) moved[offset[classOf[i]]++] = members[from + i];
    members.set(moved.subarray(0, size), from);
    for (let c = 0; c < classes; c++) offset[c] -= count[c];
    return classes;
  }
}
