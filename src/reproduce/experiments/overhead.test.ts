import { expect, it } from 'vitest';
import { type OverheadRow, overheadVerdict } from './overhead.js';

/** Times that grow with the given powers of k and n. */
function rows(tree: number, reference: number | null, growK = 0, growN = 0): OverheadRow[] {
  return [6, 36].flatMap((k) =>
    [500, 4000].map((n) => ({
      k,
      n,
      tree: tree * (k / 6) ** growK * (n / 500) ** growN,
      pairwise: 2e-8 * (k / 6),
      reference,
    })),
  );
}

it('a tenth of the peer and flat: holds', () => {
  expect(overheadVerdict(rows(1e-9, 1.2e-7))).toBe('holds');
  expect(overheadVerdict(rows(1e-9, 1.2e-7, 0.3, -0.2))).toBe('holds');
});

it('the reference is the peer where there is one, else the pairwise form', () => {
  expect(overheadVerdict(rows(4e-9, 1.2e-7))).toBe('holds');
  expect(overheadVerdict(rows(4e-9, null))).toBe('holds in part');
});

it('growth alone or cost alone: in part; neither: not here', () => {
  expect(overheadVerdict(rows(1e-9, 1.2e-7, 0.8))).toBe('holds in part');
  expect(overheadVerdict(rows(2e-8, 1.2e-7))).toBe('holds in part');
  expect(overheadVerdict(rows(2e-8, 1.2e-7, 0, 1))).toBe('does not hold here');
});
