/**
 * Finds the answer in a completion: the content of the last closed box. Nested braces are matched; the task interprets
 * the content.
 */

/**
 * Content of the last closed box, or null.
 * @param open text that opens a box, ending in a brace
 * @param close the character that closes it
 */
export function lastBox(text: string, open = '\\boxed{', close = '}'): string | null {
  for (let at = text.lastIndexOf(open); at >= 0; at = at > 0 ? text.lastIndexOf(open, at - 1) : -1) {
    const start = at + open.length;
    let level = 1;
    for (let i = start; i < text.length; i++) {
      if (text[i] === open.at(-1)) level++;
      else if (text[i] === close && --level === 0) return text.slice(start, i);
    }
  }
  return null;
}
