/**
 * Generated solutions of additions, some of them wrong on purpose, for the warm-up of a model. Two kinds of error: a
 * forgotten carry in the next column (systematic, so the likeliest solution of a problem with a carry is wrong and
 * greedy decoding fails too), and a random slip in a column's last digit. Later columns are consistent with what was
 * written. `writerAccuracy` is the exact share of right answers.
 */

export interface WriterOptions {
  /** Probability that a carry is forgotten, for each column that receives one. */
  readonly carryErrorRate: number;
  /** Probability that the last digit of a column's sum is replaced by one of the nine others. */
  readonly slipRate: number;
}

export interface Solution {
  /** Columns from the right, each followed by a semicolon: `7+6=13;5+8+1=14;4+3+1=8;`. */
  readonly text: string;
  /** The number that the columns give, including leading zeros if a slip made one. */
  readonly answer: string;
}

/**
 * Adds two numbers with equal numbers of digits in writing.
 * @param uniform draws from [0, 1)
 */
export function writeSolution(a: number, b: number, options: WriterOptions, uniform: () => number): Solution {
  const digitsA = [...String(a)].reverse();
  const digitsB = [...String(b)].reverse();
  let text = '';
  let answer = '';
  let carry = 0;
  for (let column = 0; column < digitsA.length; column++) {
    if (carry === 1 && uniform() < options.carryErrorRate) carry = 0;
    const sum = Number(digitsA[column]) + Number(digitsB[column]) + carry;
    let digit = sum % 10;
    if (uniform() < options.slipRate) digit = (digit + 1 + Math.floor(uniform() * 9)) % 10;
    text += `${digitsA[column]}+${digitsB[column]}${carry === 1 ? '+1' : ''}=${sum >= 10 ? 1 : ''}${digit};`;
    answer = `${digit}${answer}`;
    carry = sum >= 10 ? 1 : 0;
  }
  return { text, answer: carry === 1 ? `1${answer}` : answer };
}

/**
 * Exact shares of right answers over all pairs of numbers with `digits` digits.
 * @returns sampled: probability that a random solution is right; likeliest: share of problems for which the likeliest
 * choice at every step leads to the right answer (what greedy decoding of a perfect imitator reaches)
 */
export function writerAccuracy(
  digits: number,
  options: WriterOptions,
): { sampled: number; likeliest: number } {
  const likely = (rate: number) => (rate > 0.5 ? 1 : 0);
  return {
    sampled: shareRight(digits, options),
    likeliest: shareRight(digits, {
      carryErrorRate: likely(options.carryErrorRate),
      slipRate: likely(options.slipRate),
    }),
  };
}

/** Iterates over columns with the probability of [true carry][written carry] given that all digits so far are right. */
function shareRight(digits: number, { carryErrorRate, slipRate }: WriterOptions): number {
  let state = [
    [1, 0],
    [0, 0],
  ];
  for (let column = 0; column < digits; column++) {
    const lowest = column === digits - 1 ? 1 : 0;
    const pairs = (10 - lowest) ** 2;
    const next = [
      [0, 0],
      [0, 0],
    ];
    for (let x = lowest; x < 10; x++) {
      for (let y = lowest; y < 10; y++) {
        for (const carry of [0, 1]) {
          for (const written of [0, 1]) {
            for (const used of written === 1 ? [0, 1] : [0]) {
              const choice = written === 0 ? 1 : used === 0 ? carryErrorRate : 1 - carryErrorRate;
              const right = (x + y + carry) % 10 === (x + y + used) % 10 ? 1 - slipRate : slipRate / 9;
              const nextCarry = x + y + carry >= 10 ? 1 : 0;
              const nextWritten = x + y + used >= 10 ? 1 : 0;
              next[nextCarry][nextWritten] += (state[carry][written] * choice * right) / pairs;
            }
          }
        }
      }
    }
    state = next;
  }
  return state[0][0] + state[1][1];
}
