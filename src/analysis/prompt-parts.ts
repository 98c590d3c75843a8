/**
 * The part of each prompt that differs between prompts: the common beginning and end are removed. With a chat template
 * this is the user's question. A part begins and ends at word boundaries, and holds the whole line if little of it is
 * common.
 */

/** Shared characters of the line that a part begins in: up to here it is shown from the line's beginning. */
const LINE = 40;

/** Ends of a chat template's opening of a user's turn, where there is but one prompt to look at. */
const USER =
  /<\|im_start\|>user\n|<\|start_header_id\|>user<\|end_header_id\|>\n*|<start_of_turn>user\n|<\|user\|>\n?|<｜User｜>|\[INST\] ?/g;
const TURN_END =
  /<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|end\|>|<｜Assistant｜>|<\|assistant\|>| ?\[\/INST\]/;

/** The part of each prompt in which it differs from the others, in their order; equal prompts have equal parts. */
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

/** The last turn of a user under a known chat template; else the whole. */
function lastQuestion(prompt: string): string {
  const last = [...prompt.matchAll(USER)].at(-1);
  if (!last) return prompt;
  const rest = prompt.slice(last.index + last[0].length);
  const end = TURN_END.exec(rest)?.index ?? rest.length;
  return rest.slice(0, end).trim() || prompt;
}

/** Characters that all begin with, back to the beginning of a word, or of the line. */
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

/** Characters that all end with, on to the end of a word, or of the line. @param from where parts begin */
function sharedEnd([first, ...others]: readonly string[], from: number): number {
  let length = Math.min(first.length, ...others.map((other) => other.length)) - from;
  for (const other of others) {
    let i = 0;
    while (i < length && first[first.length - 1 - i] === other[other.length - 1 - i]) i++;
    length = i;
  }
  const end = first.slice(first.length - length);
  // The template closes the turn here, which is no part of what the user said.
  const turn = TURN_END.exec(end);
  if (turn) return length - turn.index;
  const newline = end.indexOf('\n');
  const line = newline < 0 ? length : newline;
  if (line <= LINE) return length - line;
  return length - (/^\S*/.exec(end)?.[0].length ?? 0);
}
