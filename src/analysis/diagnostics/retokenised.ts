/**
 * Sums for `RetokenisedFigures`. At each branching of the tree the following texts are compared: if two branches begin
 * with different tokens but continue with the same text, the text was tokenized differently.
 */
import type { Group } from '../../rollouts/index.js';
import type { ProcessTree } from '../../tree/index.js';
import type { RetokenisedFigures } from './figures.js';

/** Branches of one node that are compared with each other at most. */
const BRANCHES = 64;
/** Tokens of a branch that are followed at most. */
const FOLLOWED = 1024;

export class RetokenisedSums {
  private seen = false;
  private branches = 0;
  private retokenised = 0;
  private tokens = 0;
  private equalTexts = 0;

  add(tree: ProcessTree, { completions, tokenTexts, tokens }: Group): void {
    // Ids that were computed from the text say nothing new about it.
    if (tokens !== 'exact') return;
    if (completions.some(({ text }) => text !== undefined)) {
      this.seen = true;
      this.equalTexts += equalTexts(tree, completions);
    }
    if (!tokenTexts) return;
    this.seen = true;
    const textOf = (id: number): string => tokenTexts[id] ?? '';
    for (let node = 0; node < tree.nodeCount; node++) {
      if (tree.isLeaf(node)) continue;
      const at = tree.end[node];
      const children = tree
        .childrenOf(node)
        .filter((child) => tree.end[child] > tree.start[child])
        .slice(0, BRANCHES);
      const follow = children.map((child) =>
        continuation(tree.tokens[tree.representative(child)].subarray(at), textOf),
      );
      children.forEach((child, c) => {
        this.branches++;
        let most = 0;
        for (let other = 0; other < c; other++) most = Math.max(most, sharedTokens(follow[c], follow[other]));
        if (most === 0) return;
        this.retokenised++;
        this.tokens += most * tree.size[child];
      });
    }
  }

  /** Adds the sums of another instance. */
  merge(other: RetokenisedSums): void {
    this.seen ||= other.seen;
    this.branches += other.branches;
    this.retokenised += other.retokenised;
    this.tokens += other.tokens;
    this.equalTexts += other.equalTexts;
  }

  figures(): RetokenisedFigures | null {
    if (!this.seen) return null;
    const { branches, retokenised, tokens, equalTexts: equal } = this;
    return { branches, retokenised, tokens, equalTexts: equal };
  }
}

/** The text after a branching, and the end of each token in it. */
interface Continuation {
  readonly text: string;
  readonly ends: readonly number[];
}

function continuation(tokens: Int32Array, textOf: (id: number) => string): Continuation {
  let text = '';
  const ends: number[] = [];
  for (let t = 0; t < tokens.length && t < FOLLOWED; t++) {
    text += textOf(tokens[t]);
    ends.push(text.length);
  }
  return { text, ends };
}

/** Whole tokens of `a` within the common text, if it covers the first token of both; else 0. */
function sharedTokens(a: Continuation, b: Continuation): number {
  // A token without a text (an end token) is not counted.
  if (a.ends[0] === 0 || b.ends[0] === 0) return 0;
  let common = 0;
  while (common < a.text.length && a.text[common] === b.text[common]) common++;
  if (common < Math.max(a.ends[0], b.ends[0])) return 0;
  let count = 0;
  while (count < a.ends.length && a.ends[count] <= common) count++;
  return count;
}

/** Completions with the same text as an earlier one but different tokens, where neither is a prefix of the other. */
function equalTexts(tree: ProcessTree, completions: Group['completions']): number {
  const firstWith = new Map<string, number>();
  let count = 0;
  completions.forEach(({ text }, i) => {
    if (!text) return;
    const before = firstWith.get(text);
    if (before === undefined) {
      firstWith.set(text, i);
      return;
    }
    const [a, b] = [tree.tokens[before], tree.tokens[i]];
    const length = Math.min(a.length, b.length);
    for (let t = 0; t < length; t++) {
      if (a[t] === b[t]) continue;
      count++;
      return;
    }
  });
  return count;
}
