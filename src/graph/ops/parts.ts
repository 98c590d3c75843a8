/**
 * Applies the same computation to one part of the tensors after another (ONNX's Scan): intermediate values of a part
 * are in memory only while it is computed, and the same program works for any number of parts. The derivative keeps
 * nothing of a part but computes it again.
 */
import { backward } from '../derivative.js';
import { ShapeError } from '../shape.js';
import { Body, Graph, type Tensor } from '../tensor.js';
import { overrideDerivative } from '../vjp.js';
import { add } from './elementwise.js';
import { zeros } from './structure.js';

/**
 * Computes a tensor part by part.
 * @param parts [K, …]: each part gets a slice without the first axis
 * @param whole tensors that every part reads
 * @param compute the computation of one part, in its own graph; `back` is empty except in the derivative
 * @param back additional inputs of the derivative, [K, …]
 * @returns the results of all parts, [K, …]
 */
export function partByPart(
  parts: readonly Tensor[],
  whole: readonly Tensor[],
  compute: (parts: readonly Tensor[], whole: readonly Tensor[], back: readonly Tensor[]) => Tensor,
  back: () => readonly Tensor[],
): Tensor {
  const [result] = scan([], parts, whole, (_, ofPart, ofAll) => ({
    states: [],
    results: [compute(ofPart, ofAll, [])],
  })).results;
  // The node may be a recomputation with other inputs (recompute.ts), so its inputs are read from the node itself.
  overrideDerivative(result.node, ({ inputs }, [gradient]) => {
    if (!gradient) return inputs.map(() => null);
    const [read, all] = [inputs.slice(0, parts.length), inputs.slice(parts.length)];
    const isFloat = ({ dtype }: Tensor): boolean => dtype === 'float32';
    const summed = all.filter(isFloat);
    const { states, results } = scan(
      summed.map((tensor) => zeros(tensor, tensor.shape)),
      [...read, gradient, ...back()],
      all,
      (sums, [...rest], ofAll) => {
        const ofPart = rest.splice(0, read.length);
        const [seed, ...more] = rest;
        const wrt = [...ofPart.filter(isFloat), ...ofAll.filter(isFloat)];
        const gradients = backward([[compute(ofPart, ofAll, more), seed]], wrt).map(
          (gradient, i) => gradient ?? zeros(seed, wrt[i].shape),
        );
        const ofResults = gradients.splice(0, gradients.length - sums.length);
        return { states: sums.map((sum, i) => add(sum, gradients[i])), results: ofResults };
      },
    );
    const [sums, slices] = [[...states], [...results]];
    return [
      ...read.map((tensor) => (isFloat(tensor) ? (slices.shift() as Tensor) : null)),
      ...all.map((tensor) => (isFloat(tensor) ? (sums.shift() as Tensor) : null)),
    ];
  });
  return result;
}

interface Scanned {
  /** Passed from each part to the next; finally the value after the last part. */
  readonly states: readonly Tensor[];
  /** Results of each part, [K, …]. */
  readonly results: readonly Tensor[];
}

function scan(
  states: readonly Tensor[],
  parts: readonly Tensor[],
  whole: readonly Tensor[],
  build: (
    states: readonly Tensor[],
    parts: readonly Tensor[],
    whole: readonly Tensor[],
  ) => { readonly states: readonly Tensor[]; readonly results: readonly Tensor[] },
): Scanned {
  const [count] = parts[0].shape;
  if (parts.some(({ shape }) => shape[0] !== count)) {
    throw new ShapeError(
      `parts: expected ${count} of each tensor, got ${parts.map(({ shape }) => shape[0])}`,
    );
  }
  const graph = new Graph();
  const inside = (kind: string, tensors: readonly Tensor[], axis: number): Tensor[] =>
    tensors.map(({ dtype, shape }, i) => graph.input(`${kind}${i}`, dtype, shape.slice(axis)));
  const inner = [inside('state', states, 0), inside('part', parts, 1), inside('whole', whole, 0)];
  const built = build(inner[0], inner[1], inner[2]);
  const body = new Body(inner.flat(), whole.length, [...built.states, ...built.results]);
  const { outputs } = parts[0].graph.emit(
    'Scan',
    [...states, ...parts, ...whole],
    [...states, ...built.results.map(({ dtype, shape }) => ({ dtype, shape: [count, ...shape] }))],
    { body: { body }, num_scan_inputs: { int: parts.length } },
  );
  return { states: outputs.slice(0, states.length), results: outputs.slice(states.length) };
}
