/** Choosing the next token from a distribution: greedy, or by inverse cumulative sum under top-k and top-p. */

export interface Choice {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
}

/** The candidates of one distribution, prepared once for all samples that draw from it. */
export class Candidates {
  private readonly tokens: Int32Array | null;
  private readonly cumulative: Float64Array;

  /**
   * @param logprobs ln p of every token, [V]
   */
  constructor(
    private readonly logprobs: Float32Array,
    choice: Choice,
  ) {
    if (choice.temperature === 0) {
      this.tokens = Int32Array.of(argmax(logprobs));
      this.cumulative = Float64Array.of(1);
      return;
    }
    this.tokens = choice.topK > 0 || choice.topP < 1 ? likeliest(logprobs, choice) : null;
    const count = this.tokens?.length ?? logprobs.length;
    this.cumulative = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += Math.exp(logprobs[this.tokens ? this.tokens[i] : i]);
      this.cumulative[i] = sum;
    }
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

  logprob(token: number): number {
    return this.logprobs[token];
  }
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/**
 * Token ids, rising, of the likeliest: at most k, and as few as reach the share p of their probability (at least one). Of
 * equally likely tokens those with lower ids come first. Selects by partition, in time linear in V: nothing is sorted.
 */
function likeliest(logprobs: Float32Array, { topK, topP }: Choice): Int32Array {
  const count = topK > 0 ? Math.min(topK, logprobs.length) : logprobs.length;
  let cut = count < logprobs.length ? selectFalling(logprobs, () => 1, count) : ALL;
  if (topP < 1) {
    const kept = cut === ALL ? logprobs : Float32Array.from(above(logprobs, cut), (id) => logprobs[id]);
    let total = 0;
    for (const value of kept) total += Math.exp(value);
    cut = selectFalling(kept, Math.exp, topP * total);
  }
  return above(logprobs, cut);
}

/** The values that are kept: all above `value`, and the first so many of those that equal it. */
interface Cut {
  readonly value: number;
  readonly ties: number;
}

const ALL: Cut = { value: Number.NEGATIVE_INFINITY, ties: Number.POSITIVE_INFINITY };

function above(values: Float32Array, { value, ties }: Cut): Int32Array {
  const ids: number[] = [];
  let left = ties;
  for (let i = 0; i < values.length; i++) {
    if (values[i] > value || (values[i] === value && left-- > 0)) ids.push(i);
  }
  return Int32Array.from(ids);
}

/**
 * The cut at which the weights of the largest values first reach a target (three-way partition, Hoare's selection).
 * @param weightOf a value's weight, above 0 or equal
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
