/** Reads a group that was typed or pasted: one completion per line, its reward, a space, its text. */

/** The worked example of the paper (§3). */
export const EXAMPLE = `0.5 ABCD
0.5 ABEFHI
1 JKLM
0 JKLNQST
0 JKLNQU
0.5 VWYZ`;
const MOST_LINES = 1000;

/** How the text is split into tokens. */
export type Unit = 'characters' | 'words';

export interface TypedGroup {
  readonly completions: readonly {
    readonly tokens: Int32Array;
    readonly reward: number;
    readonly text: string;
  }[];
  /** Text of each token id. */
  readonly texts: readonly string[];
}

/** @throws Error that names the line */
export function readTyped(text: string, unit: Unit): TypedGroup {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  const lines = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [[i + 1, line] as const]));
  if (lines.length === 0) throw new Error('one line for each completion: its reward, a space, its text');
  if (lines.length > MOST_LINES) throw new Error(`${lines.length} lines; up to ${MOST_LINES} are shown`);
  const completions = lines.map(([number, line]) => {
    const [, reward, words = ''] =
      /^\s*([-+−]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?:[\t ](.*))?$/i.exec(line) ?? [];
    if (reward === undefined)
      throw new Error(
        `line ${number}: expected a reward at the beginning, for example 0.5 ${line.trim().slice(0, 20)}`,
      );
    const units = unit === 'characters' ? [...words] : (words.match(/\s*\S+/g) ?? []);
    const tokens = Int32Array.from(units, (piece) => {
      let id = ids.get(piece);
      if (id === undefined) {
        id = texts.push(piece) - 1;
        ids.set(piece, id);
      }
      return id;
    });
    return { tokens, reward: Number(reward.replace('−', '-')), text: words };
  });
  return { completions, texts };
}
