/**
 * A step's trees as the data of a Tinker server: one sequence for each distinct completion. The advantage of token t is
 * chosen so that the server's gradient equals ours. Summed over the n equal completions of a leaf, the objective is
 * Σ_t n·c_t·ρ_t with c_t = (A⁺ + A⁻)(λ_t)/|λ_t| (coefficients of a node are the sum over its |λ| members);
 * λ-GRPO's 1/|λ| is already in A⁺ and A⁻. With clipping, the positive and the negative part are clipped separately, so
 * a leaf with both becomes two data. The server's reduction is undone: for a mean over sequences of Σ(w·loss)/Σw by the
 * factor Σw · (data in the step). The terms of a node are distributed over the leaves below it in proportion to their
 * members.
 */
import { tokenCoefficients } from '../../objective/index.js';
import type { Datum } from '../../tinker/index.js';
import { packedIndices, packTree } from '../../tree/index.js';
import { EngineError, type TrainExample, type TreeExample } from '../engine.js';

/** How a server combines several sequences into one gradient. */
export type Reduction = 'mean' | 'sum';

/** Origin of a datum: its completion's tree tokens, for mapping log-probabilities back. */
export interface Origin {
  readonly example: number;
  /** Number of each completion token among the tree's distinct tokens, [|g|]. */
  readonly treeTokens: Int32Array;
  /** Position of the first completion token in the datum's targets. */
  readonly first: number;
}

export interface StepData {
  readonly data: readonly Datum[];
  readonly origins: readonly Origin[];
  /** Tokens of all data, prompts included. */
  readonly tokens: number;
  /** Additional tokens if equal completions were sent separately. */
  readonly saved: number;
}

export interface DataOptions {
  readonly reduction: Reduction;
  /** Ratios may leave the clip range (not in the first update of a step): A⁺ and A⁻ are sent separately. */
  readonly clips: boolean;
  /** Maximum number of tokens in a datum. */
  readonly contextLength: number;
  /** Ids are below this number; absent: unknown. */
  readonly vocabulary?: number;
  /**
   * β of a KL term with the k1 estimate: −β·K·(ln π_old − ln π_ref) is added to each token's coefficient; absent: 0.
   */
  readonly klBeta?: number;
}

/**
 * @param logprobs ln π_old of each distinct tree token of each example, [examples][distinctTokenCount]
 * @throws EngineError for a sequence that is too long, an id outside the vocabulary, a number that is not finite, or no
 * data
 */
export function stepData(
  batch: readonly TrainExample[],
  logprobs: readonly Float32Array[],
  { reduction, clips, contextLength, vocabulary, klBeta = 0 }: DataOptions,
): StepData {
  const rows: { readonly datum: Datum; readonly origin: Origin; readonly weight: number }[] = [];
  let saved = 0;
  batch.forEach((example, e) => {
    const { tree, prompt, coefficients, mask, weights, referenceLogprobs: reference } = example;
    if (klBeta > 0 && !reference) throw new EngineError(`example ${e + 1}: expected ln π_ref with a KL term`);
    if (prompt.length === 0)
      throw new EngineError(`example ${e + 1}: expected a prompt of at least one token`);
    const packed = packTree(tree, new Int32Array());
    const counts = new Map<number, number>();
    for (const leaf of tree.leaf) counts.set(leaf, (counts.get(leaf) ?? 0) + 1);
    for (const [leaf, count] of counts) {
      const completion = tree.representative(leaf);
      const sequence = Int32Array.of(...prompt, ...tree.tokens[completion]);
      const length = sequence.length - 1;
      checkSequence(sequence, `example ${e + 1}, completion ${completion + 1}`, contextLength, vocabulary);
      if (tree.lengths[completion] === 0) continue;
      saved += (count - 1) * length;
      const treeTokens = packedIndices(tree, packed, completion);
      const nodes = tree.tokenNodes(completion);
      const isFirst = (t: number): boolean => t === tree.start[nodes[t]];
      const first = prompt.length - 1;
      const old = new Float32Array(length);
      const trained = new Float32Array(length);
      treeTokens.forEach((token, t) => {
        old[first + t] = logprobs[e][token];
        trained[first + t] = mask ? mask[token] : 1;
      });
      // The server divides by the sum of the weights, so if no token is trained, the first gets weight 1 and advantage
      // 0.
      const none = trained.every((value) => value === 0);
      /** The leaf's share of its nodes' coefficients; KL coefficients are added by sign, as A⁺ and A⁻ are. */
      const part = (signs: readonly ('plus' | 'minus')[]): Float32Array => {
        const advantages = new Float32Array(length);
        treeTokens.forEach((token, t) => {
          const node = nodes[t];
          const values = tokenCoefficients(coefficients, isFirst(t));
          const far = klBeta > 0 ? logprobs[e][token] - (reference?.[token] ?? 0) : 0;
          const kl = klBeta > 0 ? -klBeta * coefficients.kl[node] * far : 0;
          const ofKl = { plus: Math.max(kl, 0), minus: Math.min(kl, 0) };
          const factor = weights?.[token] ?? 1;
          const sum = signs.reduce((total, sign) => total + factor * values[sign][node] + ofKl[sign], 0);
          advantages[first + t] = (trained[first + t] * sum * count) / tree.size[node];
        });
        return advantages;
      };
      const parts = clips ? [part(['plus']), part(['minus'])] : [part(['plus', 'minus'])];
      const kept = parts.filter((advantages) => advantages.some((advantage) => advantage !== 0));
      // A completion without gradient is sent too, because its log-probabilities are needed.
      const sent = none ? trained.map((_, i) => Number(i === first)) : trained;
      const weight = sent.reduce((a, b) => a + b, 0);
      for (const advantages of kept.length > 0 ? kept : [parts[0]]) {
        if (!advantages.every(Number.isFinite)) {
          throw new EngineError(`example ${e + 1}: expected finite coefficients, got one that is not finite`);
        }
        const datum = {
          tokens: sequence.subarray(0, length),
          targets: sequence.subarray(1),
          logprobs: old,
          advantages,
          weights: sent,
        };
        rows.push({ datum, weight, origin: { example: e, treeTokens, first } });
      }
    }
  });
  if (rows.length === 0) throw new EngineError('expected at least one completion with a token, got none');
  return {
    data: rows.map(({ datum, weight }) => ({
      ...datum,
      advantages: datum.advantages.map((a) => (reduction === 'mean' ? a * weight * rows.length : a)),
    })),
    origins: rows.map(({ origin }) => origin),
    tokens: rows.reduce((sum, { datum }) => sum + datum.tokens.length, 0),
    saved,
  };
}

/** Real servers answer such input with NaN, pad silently, or never answer. */
function checkSequence(
  tokens: Int32Array,
  where: string,
  contextLength: number,
  vocabulary: number | undefined,
): void {
  if (tokens.length > contextLength) {
    throw new EngineError(
      `${where}: expected at most ${contextLength} tokens with the prompt, got ${tokens.length}`,
    );
  }
  const wrong = tokens.find((id) => id < 0 || (vocabulary !== undefined && id >= vocabulary));
  if (wrong !== undefined) {
    const range = vocabulary === undefined ? 'at least 0' : `from 0 to ${vocabulary - 1}`;
    throw new EngineError(`${where}: expected token ids ${range}, got ${wrong}`);
  }
}

/** Maximum number of tokens in one training request; a larger step is split into several, whose gradients add up. */
const TOKENS_PER_REQUEST = 2 ** 17;

/** Splits data into requests of bounded size. */
export function requestsOf(data: StepData['data']): StepData['data'][] {
  const requests: StepData['data'][number][][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const datum of data) {
    if (tokens + datum.tokens.length > TOKENS_PER_REQUEST) {
      requests.push([]);
      tokens = 0;
    }
    requests[requests.length - 1].push(datum);
    tokens += datum.tokens.length;
  }
  return requests;
}

/** Converts values of the data's targets to values of tree tokens, [examples][distinctTokenCount]. */
export function home(
  batch: readonly TreeExample[],
  { origins }: StepData,
  rows: readonly Float32Array[],
): Float32Array[] {
  const values = batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
  origins.forEach(({ example, treeTokens, first }, row) => {
    treeTokens.forEach((token, t) => {
      values[example][token] = rows[row][first + t];
    });
  });
  return values;
}
