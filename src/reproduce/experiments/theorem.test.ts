import { describe, expect, it } from 'vitest';
import { type TheoremRow, theorem, theoremVerdict } from './theorem.js';

const small = { median: 1e-7, largest: 1e-6 };
const large = { median: 0.4, largest: 0.9 };

/** The prediction for each setting. */
function predicted(): TheoremRow[] {
  const rows: TheoremRow[] = [];
  for (const normalisation of ['token', 'sequence', 'constant'] as const)
    for (const klBeta of [0, 0.3])
      for (const clipped of [false, true])
        rows.push({
          normalisation,
          klBeta,
          clipped,
          ratio: 'token',
          groups: 10,
          tree: small,
          prm: clipped || normalisation === 'sequence' ? large : small,
          weighted: clipped ? large : small,
          lambda: small,
        });
  const gspo = { klBeta: 0, clipped: false, ratio: 'sequence', groups: 10 } as const;
  rows.push({ ...gspo, normalisation: 'token', tree: null, prm: large, weighted: large, lambda: null });
  return rows;
}

describe('the rule of theorem', () => {
  it('holds where the prediction is met', () => {
    expect(theoremVerdict(predicted())).toBe('holds');
  });

  it('holds in part where only the paper’s own setting does', () => {
    const broken = predicted().map((row) => (row.clipped ? { ...row, tree: large } : row));
    expect(theoremVerdict(broken)).toBe('holds in part');
    const gspo = predicted().map((row) => (row.ratio === 'sequence' ? { ...row, prm: small } : row));
    expect(theoremVerdict(gspo)).toBe('holds in part');
  });

  it('does not hold where the paper’s own setting fails by a single group', () => {
    for (const key of ['tree', 'prm'] as const) {
      const broken = predicted().map((row, i) =>
        i === 0 ? { ...row, [key]: { median: 1e-7, largest: 2e-4 } } : row,
      );
      expect(theoremVerdict(broken)).toBe('does not hold here');
    }
  });

  it('full settings make thousands of groups, each drawn from its own seed', () => {
    const units = theorem.units(theorem.settings({ quick: false }), {});
    expect(new Set(units.map(({ id }) => id)).size).toBe(units.length);
    expect(units.reduce((n, { spec }) => n + (spec.kind === 'theorem' ? spec.groups : 0), 0)).toBe(5600);
  });
});
