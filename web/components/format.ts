/** Numbers as all pages write them. */

/** −0.50, 0.00, +1.26. */
export function signed(value: number, digits = 2): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}

/** As short as it can be with up to 4 decimals. */
export function plain(value: number): string {
  return String(Number(value.toFixed(4))).replace('-', '−');
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

/** With thin spaces between thousands. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** A text with line ends and other marks that take no room made visible. */
export function visible(text: string): string {
  return text
    .replace(/\r\n?|\n/g, '⏎')
    .replace(/\t/g, '⇥')
    .replace(/[\p{Cc}\u2028\u2029]/gu, '·');
}
