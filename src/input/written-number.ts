/**
 * Numbers kept as text. A double holds whole numbers up to 2⁵³ and about 17 digits; a longer id or answer would change,
 * so its text is kept.
 */

/** A number of JSON that is kept as its text, such as 12345678901234567891 or 1e400. */
export class WrittenNumber {
  constructor(readonly text: string) {}

  /** The nearest double. */
  toNumber(): number {
    return Number(this.text);
  }

  toString(): string {
    return this.text;
  }

  /** JSON.stringify cannot write a number from text, so it is written as a string with all its digits. */
  toJSON(): string {
    return this.text;
  }
}

/** Maximum number of digits that are written out; a short text like 1e999999999 would otherwise fill the memory. */
const MOST_DIGITS = 1000;

/**
 * A number's text without an exponent: 1.50e3 is 1500, 2.5e-7 is 0.00000025.
 * @param text a number as JSON or Number's toString writes it
 * @returns null if it is not such a number, or has more than 1000 digits written out
 */
export function decimalOf(text: string): string | null {
  const [, sign, whole, fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  const point = digits.length - fraction.length + Number(power);
  if (point > MOST_DIGITS || digits.length - point > MOST_DIGITS) return null;
  const before = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0';
  const after = (point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits).replace(/0+$/, '');
  return `${sign}${before}${after === '' ? '' : `.${after}`}`;
}
