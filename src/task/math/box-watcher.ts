/**
 * Ends a completion when its answer is given: watches tokens as they come, until the first `\boxed{…}` closes that has
 * content and stands outside of `<think>…</think>`. A box without content announces one, a box in a draft may be revised.
 */
import { isEmptyBox } from './extract.js';

const OPENING = /\\boxed\s*\{$/;
/** Longest sign that may still be growing: `\boxed` with some spaces, `</think>`. */
const TAIL = 16;

/**
 * @param tokenText text of a token
 * @param thinking whether the prompt has opened `<think>` already
 * @returns told each token in order; true once such a box has closed. Braces that are escaped do not count.
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
        // A box that the draft left open ends with it.
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
