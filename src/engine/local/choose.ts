/**
 * Chooses the next token from the likeliest ones, by the inverse of the cumulative sum. Without top-k and top-p, tokens
 * of a large vocabulary are chosen inside the graph (model/draw.ts).
 */

export interface Choice {
  readonly topK: number;
  readonly topP: number;
}

/** The likeliest token (the first of equals) and its ln p; NaN if the probabilities are not numbers. */
export function greedy(probabilities: Float32Array): [token: number, logprob: number] {
  let best = 0;
  for (let token = 1; token < probabilities.length; token++) {
    if (probabilities[token] > probabilities[best]) best = token;
  }
  return [best, Math.log(probabilities[best])];
}

/** The candidates of one distribution, shared by all samples that draw from it. */
export class Candidates {
  /** Token ids, ascending; null: the whole vocabulary. */
  private readonly tokens: Int32Array | null;
  private readonly cumulative: Float64Array;

  /**
   * @param probabilities of every token, [V]
   */
  constructor(
    private readonly probabilities: Float32Array,
    choice: Choice,
  ) {
    const { topK, topP } = choice;
    const tokens = topK > 0 || topP < 1 ? likeliest(probabilities, choice) : null;
    const count = tokens ? tokens.length : probabilities.length;
    const cumulative = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += probabilities[tokens ? tokens[i] : i];
      cumulative[i] = sum;
    }
    this.tokens = tokens;
    this.cumulative = cumulative;
  }

  /** Token at a quantile and its ln p in the full distribution; NaN if the probabilities are not numbers. */
  draw(u: number): [token: number, logprob: number] {
    const token = this.pick(u);
    return [token, Math.log(this.probabilities[token] ?? Number.NaN)];
  }

  /** The token at quantile `u` ∈ [0, 1). */
  pick(u: number): number {
    const { cumulative } = this;
    const target = u * cumulative[cumulative.length - 1];
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] > target) high = middle;
      else low = middle + 1;
    }
    return this.tokens ? this.tokens[low] : low;
  }
}

/**
 * Token ids, ascending, of the likeliest tokens: at most k, and as few as reach the share p of the probability (at
 * least one). Of equally likely tokens those with lower ids come first. Selection by partition, in time linear in V,
 * without sorting.
 */
function likeliest(probabilities: Float32Array, { topK, topP }: Choice): Int32Array {
  const all = probabilities;
  const count = topK > 0 ? Math.min(topK, all.length) : all.length;
  let cut = count < all.length ? selectFalling(all, () => 1, count) : ALL;
  if (topP < 1) {
    const kept = cut === ALL ? all : Float32Array.from(aboveCut(all, cut), (id) => all[id]);
    let total = 0;
    for (const value of kept) total += value;
    cut = selectFalling(kept, (value) => value, topP * total);
  }
  return aboveCut(all, cut);
}

/** The values that are kept: all above `value`, and a number of those that equal it. */
interface Cut {
  readonly value: number;
  readonly ties: number;
}

const ALL: Cut = { value: Number.NEGATIVE_INFINITY, ties: Number.POSITIVE_INFINITY };

function aboveCut(values: Float32Array, { value, ties }: Cut): Int32Array {
  const ids: number[] = [];
  let left = ties;
  for (let i = 0; i < values.length; i++) {
    if (values[i] > value || (values[i] === value && left-- > 0)) ids.push(i);
  }
  return Int32Array.from(ids);
}

/**
 * The cut at which the weights of the largest values first reach a target (three-way partition, Hoare's selection).
 * @param weightOf weight of a value, ≥ 0
 */
function selectFalling(values: Float32Array, weightOf: (value: number) => number, target: number): Cut {
  const rest = values.slice();
  let [from, to] = [0, rest.length];
  let reached = 0;
  for (;;) {
    const [a, b, c] = [rest[from], rest[(from + to) >> 1], rest[to - 1]];
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    // [from, high): larger, [high, at): equal, [low, to): smaller
    let [high, at, low] = [from, from, to];
    let larger = 0;
    while (at < low) {
      const value = rest[at];
      if (value > pivot) {
        larger += weightOf(value);
        rest[at++] = rest[high];
        rest[high++] = value;
      } else if (value < pivot) {
        rest[at] = rest[--low];
        rest[low] = value;
      } else at++;
    }
    if (high > from && reached + larger >= target) {
      to = high;
      continue;
    }
    reached += larger;
    const weight = weightOf(pivot);
    const missing = weight > 0 ? Math.max(1, Math.ceil((target - reached) / weight)) : at - high;
    if (missing <= at - high || low === to) return { value: pivot, ties: Math.min(missing, at - high) };
    reached += weight * (at - high);
    from = low;
  }
}
