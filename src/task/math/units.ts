/** Units in answers, with the spellings of each; other words after a number are ordinary words. */
import { multiply, power, type Rational, rational } from './rational.js';

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
  ohm: 'ohm',
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

/** Whether a run of two or more letters after a number names a unit (`cm`, `hours`; `m` may be a variable). */
export const isUnitWord = (word: string): boolean => word.length > 1 && ofWord(word.toLowerCase()) !== null;

/** Whether a phrase in upright letters after a number is only a unit (`m/s`, `kg`; `m` is not a variable there). */
export const isUnitPhrase = (phrase: string): boolean =>
  /^[a-zA-Z]+(?:\^-?\d)?(?:\s*\/\s*[a-zA-Z]+(?:\^-?\d)?)?$/.test(phrase) && canonicalUnit(phrase) !== null;

/** Whether a letter after a division sign can be a unit: km/h. */
export const isUnitLetter = (letter: string): boolean => /^[hsmgl]$/.test(letter);

/**
 * The unit that a phrase names, in one spelling (`square feet` and `ft^2` are `ft^2`); null if a word is not a unit
 * (`apples`, `ways`), because such words only qualify a number and are not compared.
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

/** Units of one dimension, each with its size relative to the first. Temperatures and months have no fixed size. */
const SIZES: readonly Readonly<Record<string, readonly [bigint, bigint]>>[] = [
  {
    m: [1n, 1n],
    nm: [1n, 1_000_000_000n],
    mm: [1n, 1000n],
    cm: [1n, 100n],
    km: [1000n, 1n],
    in: [254n, 10_000n],
    ft: [3048n, 10_000n],
    yd: [9144n, 10_000n],
    mi: [1_609_344n, 1000n],
  },
  { g: [1n, 1n], mg: [1n, 1000n], kg: [1000n, 1n] },
  { oz: [1n, 1n], lb: [16n, 1n] },
  { l: [1n, 1n], ml: [1n, 1000n] },
  {
    s: [1n, 1n],
    ms: [1n, 1000n],
    min: [60n, 1n],
    h: [3600n, 1n],
    day: [86_400n, 1n],
    week: [604_800n, 1n],
  },
  { dollar: [1n, 1n], cent: [1n, 100n] },
];
const WHOLE: Readonly<Record<string, string>> = { mph: 'mi/h', kph: 'km/h' };

/** A unit as powers of dimensions and its size in their first units; null if a part has no known size. */
function dissect(unit: string): { dimensions: string; size: Rational } | null {
  const exponents = SIZES.map(() => 0);
  let size: Rational | null = { n: 1n, d: 1n };
  let sign = 1;
  for (const [, joint, name, exponent = '1'] of (WHOLE[unit] ?? unit).matchAll(
    /([*/]?)([a-z]+)(?:\^(-?\d))?/g,
  )) {
    if (joint === '/') sign = -1;
    const dimension = SIZES.findIndex((sizes) => Object.hasOwn(sizes, name));
    if (dimension < 0 || size === null) return null;
    const times = sign * Number(exponent);
    const [n, d] = SIZES[dimension][name];
    const factor = power({ n, d }, rational(BigInt(times)) as Rational);
    size = factor && multiply(size, factor);
    exponents[dimension] += times;
  }
  return size && { dimensions: exponents.join(), size };
}

/** Number of units `b` in one unit `a`, both canonical; null if they have different dimensions. */
export function conversion(a: string, b: string): Rational | null {
  const [from, to] = [dissect(a), dissect(b)];
  if (!from || !to || from.dimensions !== to.dimensions) return null;
  const inverse = power(to.size, { n: -1n, d: 1n });
  return inverse && multiply(from.size, inverse);
}
