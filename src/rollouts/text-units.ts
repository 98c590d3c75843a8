/**
 * Text units, a substitute for tokens if a log has no token ids and no tokenizer is given: a run of letters, digits
 * and underscores, or a single other character, each with the white space before it. Runs in scripts without spaces
 * between words (Chinese, Japanese, Thai, …) are cut into words by `Intl.Segmenter`, whose dictionaries depend on the
 * runtime. Joined, the units are the text. Equal units have equal ids within a group; ids of different groups are
 * unrelated.
 */

const UNIT = /\s*(?:[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_])|\s+$/gu;

/** Scripts without spaces for which there are dictionaries of words. */
const WORDS =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;
/** Other scripts without spaces: each character with its marks is a unit. */
const CHARACTERS =
  /[\p{sc=Yi}\p{sc=Javanese}\p{sc=Balinese}\p{sc=Tai_Tham}\p{sc=Tai_Le}\p{sc=New_Tai_Lue}\p{sc=Tai_Viet}\p{sc=Nushu}\p{sc=Tangut}]/u;

let words: Intl.Segmenter | undefined;
let characters: Intl.Segmenter | undefined;

/** The units of a text, in order; joined they are the text. */
export function textUnits(text: string): readonly string[] {
  const units = text.match(UNIT) ?? [];
  if (!WORDS.test(text) && !CHARACTERS.test(text)) return units;
  return units.flatMap((unit) => {
    if (CHARACTERS.test(unit)) {
      characters ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
      return cut(unit, characters);
    }
    if (!WORDS.test(unit)) return [unit];
    words ??= new Intl.Segmenter('en', { granularity: 'word' });
    return cut(unit, words);
  });
}

/** A segmenter's time grows with the square of the length, so long runs are split between characters first. */
const LONGEST = 200;

/** The segments of a unit; the first includes the preceding white space. */
function cut(unit: string, segmenter: Intl.Segmenter): string[] {
  const letters = unit.trimStart();
  const pieces: string[] = [];
  for (let from = 0; from < letters.length; ) {
    let to = Math.min(from + LONGEST, letters.length);
    while (to < letters.length && goesOn(letters, to)) to++;
    for (const { segment } of segmenter.segment(letters.slice(from, to))) pieces.push(segment);
    from = to;
  }
  pieces[0] = unit.slice(0, unit.length - letters.length) + pieces[0];
  return pieces;
}

/** Whether a position is within a character: before a mark, or between the halves of a surrogate pair. */
function goesOn(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code >= 0xdc00 && code <= 0xdfff) || /^\p{M}/u.test(text.slice(at, at + 2));
}

/** Gives each unit of one group an id, from 0 in the order of first occurrence. */
export class UnitTable {
  private readonly ids = new Map<string, number>();

  tokens(text: string): Int32Array {
    const units = textUnits(text);
    const tokens = new Int32Array(units.length);
    units.forEach((unit, i) => {
      let id = this.ids.get(unit);
      if (id === undefined) {
        id = this.ids.size;
        this.ids.set(unit, id);
      }
      tokens[i] = id;
    });
    return tokens;
  }

  /** The unit of each id. */
  texts(): Readonly<Record<number, string>> {
    return Object.fromEntries([...this.ids].map(([unit, id]) => [id, unit]));
  }
}
