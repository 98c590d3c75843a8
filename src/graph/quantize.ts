/**
 * Products with frozen weights in int8. A weight W becomes Q · diag(s): whole numbers from −127 to 127, and one factor
 * for each output. The runtime rounds the other side x of a product to 8 bits when it runs, with one factor for the whole
 * matrix, and adds up whole numbers. Where rows of x differ in size, each is divided by its largest value before.
 */
import { abs, add, div, maximum, mul } from './ops/elementwise.js';
import { reduceMax } from './ops/reduction.js';
import { unsqueeze } from './ops/structure.js';
import { type Rule, rewrite } from './passes.js';
import type { Tensor } from './tensor.js';

/** A weight [I, O] in int8, with one factor for each output, [O]. */
export interface QuantizedMatrix {
  readonly values: Int8Array;
  readonly factors: Float32Array;
  /** Whether rows of the other side differ so much in size that each needs its own factor. */
  readonly perRow: boolean;
}

/** The largest whole number; −128 is not used, so that the range is symmetric. */
const LARGEST = 127;
/** Columns that are transposed together, so that their values stay in the processor's cache. */
const BLOCK = 64;
const SMALLEST = 1e-30;

/**
 * Rounds a weight to the nearest values, each output by the largest of its own.
 * @param weight [inputs, outputs], or [outputs, inputs] with `transposed`
 */
export function quantizeMatrix(
  weight: Float32Array,
  inputs: number,
  outputs: number,
  transposed: boolean,
): Omit<QuantizedMatrix, 'perRow'> {
  const values = new Int8Array(inputs * outputs);
  const factors = new Float32Array(outputs);
  const [byInput, byOutput] = transposed ? [1, inputs] : [outputs, 1];
  for (let first = 0; first < outputs; first += BLOCK) {
    const end = Math.min(outputs, first + BLOCK);
    for (let output = first; output < end; output++) {
      let most = 0;
      for (let input = 0, at = output * byOutput; input < inputs; input++, at += byInput) {
        const size = Math.abs(weight[at]);
        if (size > most) most = size;
      }
      factors[output] = most / LARGEST;
      const inverse = most > 0 ? LARGEST / most : 0;
      for (let input = 0, at = output * byOutput; input < inputs; input++, at += byInput) {
        values[input * outputs + output] = Math.round(weight[at] * inverse);
      }
    }
  }
  return { values, factors };
}

/** Largest absolute value of each row, [N, 1]; a row of zeros has a small one. */
function rowSizes(x: Tensor): Tensor {
  return maximum(unsqueeze(reduceMax(abs(x), 1), 1), SMALLEST);
}

/** A graph whose products are quantized, and the values of its new inputs. */
export interface QuantizedProducts {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly constants: ReadonlyMap<string, Int8Array | Float32Array>;
}

/**
 * Replaces every product whose right side is one of the matrices.
 * @param matrices by the name of the input that they replace
 */
export function quantizeProducts(
  outputs: Readonly<Record<string, Tensor>>,
  matrices: ReadonlyMap<string, QuantizedMatrix>,
): QuantizedProducts {
  const constants = new Map<string, Int8Array | Float32Array>();
  const known = new Map<string, readonly [Tensor, Tensor]>();
  const quantized: Rule = (node, inputs) => {
    const [x, weight, bias] = inputs;
    const { graph } = x;
    const name = weight.node.name;
    const matrix = name === undefined ? undefined : matrices.get(name);
    if (name === undefined || matrix === undefined) {
      return graph.emit(node.op, inputs, node.outputs, node.attributes, node.domain).outputs;
    }
    const [{ dtype, shape }] = node.outputs;
    let pair = known.get(name);
    if (!pair) {
      const count = matrix.factors.length;
      pair = [
        graph.input(`${name}.int8`, 'int8', [matrix.values.length / count, count]),
        graph.input(`${name}.factors`, 'float32', [count]),
      ];
      known.set(name, pair);
      constants.set(`${name}.int8`, matrix.values).set(`${name}.factors`, matrix.factors);
    }
    const size = matrix.perRow ? rowSizes(x) : null;
    const [product] = graph.emit(
      'DynamicQuantizeMatMul',
      [size ? div(x, size) : x, ...pair],
      [{ dtype, shape }],
      {},
      'com.microsoft',
    ).outputs;
    const result = size ? mul(product, size) : product;
    return [bias ? add(result, bias) : result];
  };
  return { outputs: rewrite(outputs, { Gemm: quantized }), constants };
}
