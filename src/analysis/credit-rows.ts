/** The figures under credit rules as a table, for the summary of `analyze` and the report. */
import { CREDIT_RULES, isCreditName } from '../objective/index.js';
import type { CreditFigures } from './figures.js';

/** Depths of the table; all deeper steps share one column. */
const DEPTHS = 3;

/** A header and one line per rule: its push by sign and depth, and how many completions it pushes the wrong way. */
export function creditRows(figures: readonly CreditFigures[]): {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
} {
  const percent = (part: number, whole: number): string =>
    whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '–';
  const depths = Array.from({ length: DEPTHS }, (_, depth) => `depth ${depth + 1}`);
  return {
    header: ['rule', 'up', 'down', 'depth 0', ...depths, 'deeper', 'against GRPO', 'good ↓', 'bad ↑'],
    rows: figures.map(({ rule, mass, byDepth, reversed, good, bad }) => {
      const total = mass.up + mass.down;
      const at = (depth: number): number => (byDepth[depth]?.up ?? 0) + (byDepth[depth]?.down ?? 0);
      const shallow = Array.from({ length: DEPTHS + 1 }, (_, depth) => at(depth));
      return [
        isCreditName(rule) ? CREDIT_RULES[rule].title : rule,
        percent(mass.up, total),
        percent(mass.down, total),
        ...shallow.map((part) => percent(part, total)),
        percent(
          byDepth.slice(DEPTHS + 1).reduce((sum, { up, down }) => sum + up + down, 0),
          total,
        ),
        percent(reversed, total),
        percent(good.pushedDown, good.completions),
        percent(bad.pushedUp, bad.completions),
      ];
    }),
  };
}
