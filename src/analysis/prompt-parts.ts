/**
 * The part of each prompt that differs between prompts: the common beginning and end are removed. With a chat template
 * this is the user's question. A part begins and ends at word boundaries, and holds the whole line if little of it is
 * common.
 */

/** If the line shares at most this many characters, the part begins at the start of the line. */
const LINE = 40;

/** Ends of a chat template's opening of a user's turn, used if there is only one prompt. */
const USER =
  /<\|im_start\|>user\n|<\|start_header_id\|>user<\|end_header_id\|>\n*|<start_of_turn>user\n|<\|user\|>\n?|<｜User｜>|\[INST\] ?/g;
const TURN_END =
  /<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|end\|>|<｜Assistant｜>|<\|assistant\|>| ?\[\/INST\]/;

/** The part of each prompt in which it differs from the others, in the same order; equal prompts have equal parts. */
export function promptParts(prompts: readonly string[]): string[] {
  const distinct = [...new Set(prompts)];
  if (distinct.length < 2) return prompts.map(lastQuestion);
  const from = sharedStart(distinct);
  const to = sharedEnd(distinct, from);
  return prompts.map((prompt) => {
    const part = prompt.slice(from, prompt.length - to).trim();
    return part === '' ? prompt.slice(from).trim() : part;
  });
}

/** The last user turn under a known chat template; else the whole prompt. */
function lastQuestion(prompt: string): string {
  const last = [...prompt.matchAll(USER)].at(-1);
  if (!last) return prompt;
  const rest = prompt.slice(last.index + last[0].length);
  const end = TURN_END.exec(rest)?.index ?? rest.length;
  return rest.slice(0, end).trim() || prompt;
}

/** Length of the common prefix, back to the beginning of a word or line. */
function sharedStart([first, ...others]: readonly string[]): number {
  let length = first.length;
  for (const other of others) {
    let i = 0;
    while (i < length && first[i] === other[i]) i++;
    length = i;
  }
  const line = first.lastIndexOf('\n', length - 1) + 1;
  if (length - line <= LINE) return line;
  return first.slice(0, length).search(/\S*$/);
}

/** Length of the common suffix, starting at a word boundary. @param from where parts begin */
function sharedEnd([first, ...others]: readonly string[], from: number): number {
  let length = Math.min(first.length, ...others.map((other) => other.length)) - from;
  for (const other of others) {
    let i = 0;
    while (i < length && first[first.length - 1 - i] === other[other.length - 1 - i]) i++;
    length = i;
  }
  const end = first.slice(first.length - length);
  // The template closes the turn here; this is not part of the user's text.
  const turn = TURN_END.exec(end);
  if (turn) return length - turn.index;
  const newline = end.indexOf('\n');
  const line = newline < 0 ? length : newline;
  if (line <= LINE) return length - line;
  return length - (/^\S*/.exec(end)?.[0].length ?? 0);
}
