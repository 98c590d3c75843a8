/**
 * Ends a completion when its answer is given: reads tokens as they come, until the first `\boxed{…}` with content
 * closes outside of `<think>…</think>`. An empty box only announces one, and a box in a draft may be revised.
 */
import { isEmptyBox } from './extract.js';

const OPENING = /\\boxed\s*\{$/;
/** Longest command that may still be incomplete: `\boxed` with some spaces, `</think>`. */
const TAIL = 16;

/**
 * @param tokenText text of a token
 * @param thinking whether the prompt has already opened `<think>`
 * @returns a function that is called with each token in order, and returns true once such a box has closed. Escaped
 * braces do not count.
 */
export function boxWatcher(
  tokenText: (token: number) => string,
  thinking = false,
): (token: number) => boolean {
  let tail = '';
  let content = '';
  let depth = 0;
  let escaped = false;
  let draft = thinking;
  return (token) => {
    for (const character of tokenText(token)) {
      tail = (tail + character).slice(-TAIL);
      if (tail.endsWith('<think>')) draft = true;
      else if (tail.endsWith('</think>')) {
        draft = false;
        // A box that the draft left open ends with the draft.
        depth = 0;
      }
      if (depth === 0) {
        if (character !== '{' || !OPENING.test(tail)) continue;
        depth = 1;
        content = '';
        escaped = false;
        continue;
      }
      if (escaped) escaped = false;
      else if (character === '\\') escaped = true;
      else if (character === '{') depth++;
      else if (character === '}' && --depth === 0) {
        if (!draft && !isEmptyBox(content)) return true;
        continue;
      }
      if (content.length < 64) content += character;
    }
    return false;
  };
}
