/**
 * Where a log has no token ids and nobody gives a tokenizer, units of the text stand in for tokens: a run of letters,
 * digits and underscores or a single other character, each with the white space before it. Joined, the units are the
 * text. Equal units have equal ids within a group; ids of two groups have nothing to do with each other.
 */

const UNIT = /\s*(?:[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_])|\s+$/gu;

/** The units of a text, in order; joined they are the text. */
export function textUnits(text: string): readonly string[] {
  return text.match(UNIT) ?? [];
}

/** Gives each unit of one group an id, from 0 in the order of first appearance. */
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
