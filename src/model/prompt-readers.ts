/**
 * Prompts that several rows read. Their keys and values are cached once, and the queries of all rows that read a prompt
 * are rows of one matrix product (Juravsky et al. 2024, Hydragen): k completions read a prompt once, not k times.
 */
import * as g from '../graph/index.js';
import type { DecodeBatch, Readers } from './batches.js';

/** Values of rows [R, keyValueHeads, length, …] ↔ values of prompts [G, keyValueHeads, Q·length, …]. */
export class PromptReaders<Batch extends DecodeBatch> {
  private readonly reader: g.Tensor;
  private readonly place: g.Tensor;
  /** Axes of what a row reads: R, or R and B. */
  private readonly reads: readonly g.Dim[];

  /**
   * @param blocks whether a row reads up to B blocks
   * @param readers of a batch
   */
  constructor(
    scope: g.InputScope<Batch>,
    private readonly keyValueHeads: number,
    blocks: boolean,
    readers: (batch: Batch) => Readers,
  ) {
    this.reads = blocks ? ['R', 'B'] : ['R'];
    const reader = scope.input('prompt_reader', 'int32', ['G', keyValueHeads, 'Q'], (batch) => {
      return readers(batch).reader;
    });
    const place = scope.input('prompt_place', 'int32', [...this.reads, keyValueHeads], (batch) => {
      return readers(batch).place;
    });
    this.reader = g.reshape(reader, [g.times(keyValueHeads, 'G*Q')]);
    this.place = g.reshape(place, [g.times(keyValueHeads, this.reads.join('*'))]);
  }

  /** Values of the rows that read each prompt; places without a reader repeat those of another row. */
  toPrompts(x: g.Tensor): g.Tensor {
    const { keyValueHeads } = this;
    const [, , length, ...rest] = x.shape;
    const flat = g.reshape(x, [g.times(keyValueHeads, 'R'), length, ...rest]);
    return g.reshape(g.gather(flat, this.reader), ['G', keyValueHeads, product('Q', length), ...rest]);
  }

  /**
   * Values for each row of what it reads, [R, keyValueHeads, length, …] or [R, B, keyValueHeads, length, …].
   * @param length queries of a row
   */
  toRows(x: g.Tensor, length: g.Dim): g.Tensor {
    const { keyValueHeads } = this;
    const rest = x.shape.slice(3);
    const flat = g.reshape(x, [g.times(keyValueHeads, 'G*Q'), length, ...rest]);
    return g.reshape(g.gather(flat, this.place), [...this.reads, keyValueHeads, length, ...rest]);
  }
}

const product = (a: string, b: g.Dim): g.Dim => (typeof b === 'number' ? g.times(b, a) : `${a}*${b}`);
