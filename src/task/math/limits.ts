/**
 * Limits of a verdict: a policy may write anything, and a reward must be computed within a second. Everything is
 * refused by size before it is computed: length, depth, the bits of exact numbers, the number of comparisons. The clock
 * is a last resort; no test input comes near it.
 */

export const LIMITS = {
  /** Characters of one answer (extracted, or gold). */
  answerCharacters: 2_000,
  /** Characters at the end of a completion that are searched for an answer. */
  completionCharacters: 400_000,
  /** Nesting depth of brackets. */
  depth: 40,
  /** Entries of one list, set, tuple or matrix. */
  items: 80,
  /** Bits of numerator or denominator of an exact number: about 19,700 decimal digits. */
  bits: 65_536,
  /** Largest argument of an exact factorial. */
  factorial: 5_000,
  /** Comparisons of two scalars in one verdict. */
  comparisons: 4_000,
  /** Maximum number of bits for computing values; beyond it they stay undecided. */
  precision: 12_288,
  /** Operations in balls in one verdict. */
  operations: 40_000,
  /**
   * A verdict is given up after this time; a single step between two checks of the clock takes far less than the rest
   * of 1 s.
   */
  milliseconds: 500,
} as const;

/** An answer that this checker cannot read or will not compute; the message is the verdict's reason. */
export class Unreadable extends Error {
  override name = 'Unreadable';
}

/** Counts the work of one verdict and ends it. */
export class Budget {
  readonly #end = performance.now() + LIMITS.milliseconds;
  #comparisons = 0;
  #operations = 0;
  readonly #verdicts = new Map<string, boolean>();

  /** Counts a comparison of two scalars. @throws Unreadable if the work or the time is used up */
  compare(): void {
    if (++this.#comparisons > LIMITS.comparisons) throw new Unreadable('it has too many parts to compare');
    if (performance.now() > this.#end) throw new Unreadable('the comparison took too long');
  }

  /** Counts an operation on balls. @throws Unreadable if the work or the time is used up */
  step(): void {
    if (++this.#operations > LIMITS.operations)
      throw new Unreadable('the comparison needs too many operations');
    if (this.late()) throw new Unreadable('the comparison took too long');
  }

  /** Computes a verdict once and caches it. */
  once(key: string, verdict: () => boolean): boolean {
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const result = verdict();
    this.#verdicts.set(key, result);
    return result;
  }

  late(): boolean {
    return performance.now() > this.#end;
  }
}
