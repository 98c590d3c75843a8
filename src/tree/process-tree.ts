/**
 * The process tree B(G) of a group of completions (PAPER.md §2). A node is a process set λ: all completions that share
 * a prefix; its process step is the tokens [start, end) by which that prefix is longer than the parent's. The root is
 * the whole group; a leaf is one distinct completion (equal ones are one leaf). The tree is over the completions alone:
 * a common prompt would only lengthen the root's step.
 * It is built depth-first with an explicit stack. Each shared token is compared about once per member, the unshared end
 * of a completion is never read, and nothing is allocated per token.
 */
import { Branches, commonEnd } from './branching.js';

/** Token ids of one completion. */
export type TokenSequence = Int32Array | Uint32Array | Uint16Array | readonly number[];

/** A group without a tree, or an index outside of it. */
export class TreeError extends Error {
  override name = 'TreeError';
}

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
  /** Number of tokens of all steps: shared tokens count once. */
  readonly distinctTokenCount: number;
  /** Parent of each node, −1 for the root, [nodes]. Nodes are in depth-first preorder; the root is 0. */
  readonly parent: Int32Array;
  /** Nodes above each node, [nodes]. */
  readonly depth: Int32Array;
  /** Index of the first token of each step in the completion, [nodes]. */
  readonly start: Int32Array;
  /** End index of each step (exclusive), [nodes]. */
  readonly end: Int32Array;
  /** |λ| of each node, [nodes]. */
  readonly size: Int32Array;
  /** Index of the first node after each node's subtree, [nodes]. */
  readonly subtreeEnd: Int32Array;
  /** Completions in the order of the leaves, [k]: a node's members are consecutive. */
  readonly members: Int32Array;
  /** Index of a node's first member in `members`, [nodes]. */
  readonly memberStart: Int32Array;
  /** The leaf of each completion, [k]. */
  readonly leaf: Int32Array;

  private constructor(completions: readonly TokenSequence[]) {
    const k = completions.length;
    if (k === 0) throw new TreeError('expected at least one completion in a group, got none');
    const tokens = completions.map((c) => (c instanceof Int32Array ? c : new Int32Array(c)));
    // Every inner node branches, so there are fewer than 2k nodes.
    const capacity = 2 * k;
    const memory = new ArrayBuffer(4 * (7 * capacity + 3 * k));
    let used = 0;
    const take = (length: number): Int32Array => {
      const view = new Int32Array(memory, 4 * used, length);
      used += length;
      return view;
    };
    const parent = take(capacity);
    const depth = take(capacity);
    const start = take(capacity);
    const end = take(capacity);
    const size = take(capacity);
    const memberStart = take(capacity);
    const subtreeEnd = take(capacity);
    const members = take(k);
    const leaf = take(k);
    const lengths = take(k);
    let tokenCount = 0;
    for (let i = 0; i < k; i++) {
      members[i] = i;
      lengths[i] = tokens[i].length;
      tokenCount += lengths[i];
    }
    const branches = new Branches(k);
    // Nodes to be processed, in preorder from the top: parent, first and last index of the members. Their members are
    // disjoint, so there are never more than k.
    const stack = new Int32Array(3 * k);
    stack[0] = -1;
    stack[2] = k;
    let top = 3;
    let nodeCount = 0;
    let leafCount = 0;
    let distinct = 0;
    while (top > 0) {
      const to = stack[--top];
      const from = stack[--top];
      const parentNode = stack[--top];
      const node = nodeCount++;
      const count = to - from;
      const begin = parentNode < 0 ? 0 : end[parentNode];
      parent[node] = parentNode;
      depth[node] = parentNode < 0 ? 0 : depth[parentNode] + 1;
      start[node] = begin;
      size[node] = count;
      memberStart[node] = from;
      subtreeEnd[node] = node + 1;
      let stop: number;
      let parts = 1;
      if (count === 1) stop = lengths[members[from]];
      else {
        stop = commonEnd(tokens, members, from, count, begin);
        parts = branches.split(tokens, members, from, count, stop);
      }
      end[node] = stop;
      distinct += stop - begin;
      if (parts === 1) {
        leafCount++;
        for (let i = from; i < to; i++) leaf[members[i]] = node;
      } else {
        for (let part = parts - 1; part >= 0; part--) {
          stack[top++] = node;
          stack[top++] = branches.from[part];
          stack[top++] = branches.from[part + 1];
        }
      }
    }
    for (let node = nodeCount - 1; node > 0; node--) {
      const parentNode = parent[node];
      if (subtreeEnd[node] > subtreeEnd[parentNode]) subtreeEnd[parentNode] = subtreeEnd[node];
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
   * @param completions token ids of each completion, [k][|g|]; duplicates, prefixes of one another and empty ones are
   * allowed
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

  /** Children in the order of their first occurrence in the group. */
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

  /** λ⁽ⁱ'ᵗ⁾: the node whose step contains token t of a completion. @throws TreeError outside the completion */
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
