/** Sums of rows by target in a number of rounds: the derivative of reading the same rows in many places. */
import { add } from './ops/elementwise.js';
import { gather, placeRows } from './ops/indexing.js';
import { concat } from './ops/structure.js';
import type { InputScope } from './program.js';
import type { Shape } from './shape.js';
import type { Tensor } from './tensor.js';

/**
 * Sums of rows by target, as a fixed number of rounds in each of which rows of the same target are added in pairs: every
 * round is a gather and a sum over all threads, in an order that does not depend on them. Which rows meet in which round
 * is planned outside the graph (`planPairedSums`) and comes in as inputs. Costs about as much as reading the rows three
 * times.
 */
export class PairedSums<Batch extends object> {
  private readonly rounds: readonly { left: Tensor; right: Tensor; single: Tensor }[];
  private readonly order: Tensor;
  private readonly target: Tensor;

  /**
   * Declares the inputs: left and right int32 [pairs of round i], single int32 [rows without a partner] for each round,
   * then order and target int32 [targets].
   * @param name begins the inputs' names
   * @param planOf the plan of a batch, with as many rounds; called once a batch
   */
  constructor(
    scope: InputScope<Batch>,
    private readonly name: string,
    rounds: number,
    planOf: (batch: Batch) => PairedSumsPlan,
  ) {
    const plans = new WeakMap<Batch, PairedSumsPlan>();
    const plan = (batch: Batch): PairedSumsPlan => {
      const planned = plans.get(batch) ?? planOf(batch);
      plans.set(batch, planned);
      return planned;
    };
    const list = (part: string, size: string, values: (plan: PairedSumsPlan) => Int32Array): Tensor =>
      scope.input(`${name}_${part}`, 'int32', [size], (batch) => values(plan(batch)));
    this.rounds = Array.from({ length: rounds }, (_, i) => ({
      left: list(`left.${i}`, `${name}.pairs.${i}`, (p) => p.rounds[i].left),
      right: list(`right.${i}`, `${name}.pairs.${i}`, (p) => p.rounds[i].right),
      single: list(`single.${i}`, `${name}.singles.${i}`, (p) => p.rounds[i].single),
    }));
    this.order = list('order', `${name}.targets`, (p) => p.order);
    this.target = list('target', `${name}.targets`, (p) => p.target);
  }

  /**
   * Zeros of `shape` with the rows added at their targets.
   * @param rows [N, ...shape.slice(1)]
   */
  add(shape: Shape, rows: Tensor): Tensor {
    let sums = rows;
    this.rounds.forEach(({ left, right, single }, i) => {
      const pairs = add(gather(sums, left), gather(sums, right));
      sums = concat([pairs, gather(sums, single)], 0, `${this.name}.sums.${i}`);
    });
    return placeRows(shape, this.target, gather(sums, this.order));
  }
}

/** Which rows meet in which round. */
export interface PairedSumsPlan {
  readonly rounds: readonly { left: Int32Array; right: Int32Array; single: Int32Array }[];
  readonly order: Int32Array;
  readonly target: Int32Array;
}

/**
 * @param targets of each row; −1: the row is left out, [N]
 * @param rounds so that no target has more than 2^rounds rows
 */
export function planPairedSums(targets: Int32Array, rounds: number): PairedSumsPlan {
  const rowsOf = new Map<number, number[]>();
  targets.forEach((target, row) => {
    if (target < 0) return;
    const rows = rowsOf.get(target);
    if (rows) rows.push(row);
    else rowsOf.set(target, [row]);
  });
  let lists = [...rowsOf.values()];
  if (lists.some(({ length }) => length > 2 ** rounds)) {
    throw new RangeError(`planPairedSums: a target has more rows than ${rounds} rounds can add`);
  }
  const plan = Array.from({ length: rounds }, () => {
    const left: number[] = [];
    const right: number[] = [];
    const single: number[] = [];
    const pairCount = lists.reduce((n, { length }) => n + (length >> 1), 0);
    lists = lists.map((rows) => {
      const next: number[] = [];
      for (let i = 0; i + 1 < rows.length; i += 2) {
        next.push(left.length);
        left.push(rows[i]);
        right.push(rows[i + 1]);
      }
      if (rows.length % 2 === 1) {
        next.push(pairCount + single.length);
        single.push(rows[rows.length - 1]);
      }
      return next;
    });
    return { left: Int32Array.from(left), right: Int32Array.from(right), single: Int32Array.from(single) };
  });
  return {
    rounds: plan,
    order: Int32Array.from(lists, ([row]) => row),
    target: Int32Array.from(rowsOf.keys()),
  };
}
