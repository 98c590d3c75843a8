/**
 * The text of each step of a tree. A token may hold only part of a character, and a step may begin or end within one,
 * so bytes are joined along the path from the root. A character is shown in the step that completes it. Bytes that stay
 * incomplete, or are not UTF-8, are shown as bytes: ⟨F0⟩⟨9F⟩.
 */
import { joinPieces, openBytes, shownBytes } from '../rollouts/pieces.js';
import type { ProcessTree } from '../tree/index.js';

export interface TokenTextOptions {
  /** Text of a token id, with bytes escaped (rollouts/pieces.ts). */
  readonly tokenText: (id: number) => string;
  /** Separator between the texts of two tokens, if they are names and not pieces of a text. */
  readonly separator?: string;
}

/** Text of every node, in their order. */
export function stepTexts(tree: ProcessTree, { tokenText, separator = '' }: TokenTextOptions): string[] {
  /** Bytes at the end of each node's path that may still begin a character. */
  const open: string[] = [];
  return Array.from({ length: tree.nodeCount }, (_, node) => {
    const pieces = Array.from(tree.stepTokens(node), tokenText);
    const parent = tree.parent[node];
    const before = separator === '' && parent >= 0 ? open[parent] : '';
    const text = joinPieces(before === '' ? pieces : [before, ...pieces], separator);
    open[node] = openBytes(text);
    // Bytes that stay incomplete or are made invalid by the next step are shown in the step that they came from.
    let from = 0;
    while (from < before.length && text[from] === before[from]) from++;
    return shownBytes(text.slice(from));
  });
}
