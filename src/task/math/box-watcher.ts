/** Ends a completion when its answer is given: watches tokens as they come, until the first `\boxed{…}` closes. */

const OPENING = /\\boxed\s*\{/;
/** Longest beginning of a box that may still be growing, with some spaces. */
const TAIL = 16;

/**
 * @param tokenText text of a token
 * @returns told each token in order; true once a box has closed. Braces that are escaped do not count.
 */
export function boxWatcher(tokenText: (token: number) => string): (token: number) => boolean {
  let tail = '';
  let depth = 0;
  let escaped = false;
  return (token) => {
    let text = tokenText(token);
    if (depth === 0) {
      const seen = tail + text;
      const opening = OPENING.exec(seen);
      if (!opening) {
        tail = seen.slice(-TAIL);
        return false;
      }
      depth = 1;
      tail = '';
      text = seen.slice(opening.index + opening[0].length);
    }
    for (const character of text) {
      if (escaped) escaped = false;
      else if (character === '\\') escaped = true;
      else if (character === '{') depth++;
      else if (character === '}' && --depth === 0) return true;
    }
    return false;
  };
}
