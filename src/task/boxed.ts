/**
 * Where an answer stands in a completion: the content of the last box that is closed. Nested braces are matched;
 * what the content means is left to the task.
 */

/**
 * Content of the last closed box, or null.
 * @param open what opens a box, ending in a brace
 * @param close what closes it, one character
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
