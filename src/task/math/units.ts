/** Units that answers carry, by the spellings that are one unit; other words after a number are just words. */

const SPELLINGS: Readonly<Record<string, string>> = {
  mm: 'mm millimeter millimetre',
  cm: 'cm centimeter centimetre',
  m: 'm meter metre',
  km: 'km kilometer kilometre',
  nm: 'nm nanometer nanometre',
  in: 'in inch inches',
  ft: 'ft foot feet',
  yd: 'yd yard',
  mi: 'mi mile',
  mg: 'mg milligram',
  g: 'g gram gm',
  kg: 'kg kilogram',
  lb: 'lb lbs pound',
  oz: 'oz ounce',
  ml: 'ml milliliter millilitre',
  l: 'l liter litre',
  gal: 'gal gallon',
  ms: 'ms millisecond',
  s: 's sec second',
  min: 'min minute',
  h: 'h hr hour',
  day: 'day',
  week: 'week',
  month: 'month',
  year: 'yr year',
  mph: 'mph',
  kph: 'kph kmh',
  hz: 'hz hertz',
  n: 'newton',
  j: 'joule',
  w: 'watt',
  v: 'volt',
  k: 'kelvin',
  pa: 'pa pascal',
  ev: 'ev',
  mol: 'mol mole',
  dollar: 'dollar usd buck',
  cent: 'cent',
  euro: 'euro eur',
  gbp: 'gbp sterling',
  yen: 'yen jpy',
  percent: 'percent pct percentage',
  degree: 'degree deg',
  radian: 'radian rad',
  unit: 'unit',
};

const CANONICAL = new Map(
  Object.entries(SPELLINGS).flatMap(([unit, words]) => words.split(' ').map((word) => [word, unit] as const)),
);
/** The unit that a word names, plural or not; null for any other word. */
const ofWord = (word: string): string | null =>
  CANONICAL.get(word) ?? CANONICAL.get(word.replace(/s$/, '')) ?? null;

/** Whether a run of two or more letters that follows a number names a unit (`cm`, `hours`; `m` may be a variable). */
export const isUnitWord = (word: string): boolean => word.length > 1 && ofWord(word.toLowerCase()) !== null;

/**
 * The unit that a phrase names, in one spelling (`square feet` and `ft^2` are `ft^2`); null where a word of it is no
 * unit (`apples`, `ways`), as such words qualify a number and are not compared.
 */
export function canonicalUnit(phrase: string): string | null {
  const words = phrase
    .toLowerCase()
    .replace(/[²³]/g, (c) => (c === '²' ? '^2' : '^3'))
    .replace(/\bper\b/g, '/')
    .replace(
      /\b(square|sq\.?|cubic|cu\.?)\s+([a-z]+)/g,
      (_, kind: string, unit: string) => `${unit}^${kind.startsWith('s') ? 2 : 3}`,
    )
    .match(/[a-z]+|\^-?\d+|\//g);
  if (!words) return null;
  let unit = '';
  for (const word of words) {
    if (word === '/' || word.startsWith('^')) unit += word;
    else {
      const canonical = ofWord(word);
      if (canonical === null) return null;
      unit += `${unit && !unit.endsWith('/') ? '*' : ''}${canonical}`;
    }
  }
  return unit;
}
