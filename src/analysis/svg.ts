/**
 * Shared parts of the SVG drawings: colours, the frame and title of a chart, rounding of pixels, and escaping. Charts
 * have a white background, so that they look the same on light and dark pages.
 */
import { HIDDEN, shownCharacter } from './shown.js';

export const GRPO_COLOUR = '#D55E00';
export const LAMBDA_GRPO_COLOUR = '#0072B2';
/** Colours that people with common colour blindness can distinguish (Okabe and Ito). */
export const PALETTE = [
  LAMBDA_GRPO_COLOUR,
  GRPO_COLOUR,
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
];

/** A colour for each rule: GRPO and λ-GRPO always have the same colour, the others take the remaining ones in turn. */
export function ruleColours(names: readonly string[]): string[] {
  const others = PALETTE.slice(2);
  let next = 0;
  return names.map((name) => {
    if (name === 'grpo') return GRPO_COLOUR;
    return name === 'lambda-grpo' ? LAMBDA_GRPO_COLOUR : others[next++ % others.length];
  });
}

export const INK = '#222222';
export const FAINT = '#e2e2e2';
export const PAPER = '#ffffff';

const HIDDEN_CHARACTER = new RegExp(`(?![\\n\\t])${HIDDEN}`, 'gu');

/**
 * Text that is safe in SVG and HTML markup and in quoted attributes. Invisible and bidirectional control characters are
 * shown as escapes.
 */
export function escapeMarkup(text: string): string {
  return text.replace(HIDDEN_CHARACTER, shownCharacter).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Pixels with two decimals. */
export function round(pixels: number): number {
  return Math.round(pixels * 100) / 100;
}

/** The beginning of a chart: size, background, and the title, which begins at `left`. The caller adds `</svg>`. */
export function chartHead(title: string, width: number, height: number, left: number): string[] {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif" font-size="13">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${PAPER}"/>`,
    `<text x="${left}" y="28" font-size="16" font-weight="600" fill="${INK}">${escapeMarkup(title)}</text>`,
  ];
}

/** A text centred at x. */
export function centred(text: string, x: number, y: number): string {
  return `<text x="${round(x)}" y="${y}" text-anchor="middle" fill="${INK}">${escapeMarkup(text)}</text>`;
}
