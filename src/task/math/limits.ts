/**
 * What bounds a verdict: completions are written by a policy that may produce anything, and a reward must come back
 * within a second whatever it is. Everything is refused by size before it is computed: length, depth, the bits of exact
 * numbers, the count of comparisons. The clock is a last resort; no test input comes near it.
 */

export const LIMITS = {
  /** Characters of one answer (extracted, or gold). */
  answerCharacters: 2_000,
  /** Characters at the end of a completion that are searched for an answer. */
  completionCharacters: 400_000,
  /** Brackets within brackets. */
  depth: 40,
  /** Entries of one list, set, tuple or matrix. */
  items: 80,
  /** Bits of numerator or denominator of an exact number: about 4,900 decimal digits. */
  bits: 16_384,
  /** Largest argument of an exact factorial. */
  factorial: 1_000,
  /** Comparisons of two scalars in one verdict. */
  comparisons: 4_000,
  /** Confirmations by the symbolic engine in one verdict. */
  confirmations: 12,
  /** Largest expression that the symbolic engine is given, in nodes. */
  engineNodes: 120,
  /** After this long a verdict is given up; one step after a look at the clock takes far less than the rest of 1 s. */
  milliseconds: 500,
} as const;

/** An answer that this checker cannot read or will not compute; its message is the verdict's reason. */
export class Unreadable extends Error {
  override name = 'Unreadable';
}

/** Counts the work of one verdict and ends it. */
export class Budget {
  readonly #end = performance.now() + LIMITS.milliseconds;
  #comparisons = 0;
  #confirmations = 0;

  /** Before a comparison of two scalars. @throws Unreadable when the work or the time is used up */
  compare(): void {
    if (++this.#comparisons > LIMITS.comparisons) throw new Unreadable('too many parts to compare');
    if (performance.now() > this.#end) throw new Unreadable('took too long to compare');
  }

  /** Whether the engine may be asked once more. */
  confirm(): boolean {
    return ++this.#confirmations <= LIMITS.confirmations && performance.now() < this.#end;
  }
}
