/**
 * The choice of credit rules beside a tree is computed from the tree view alone, which is all that the report and the
 * site's log have.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { analyzeGroup, publishedCredit, treeView } from '../src/analysis/index.js';
import { type CreditName, isCreditName } from '../src/objective/index.js';
import { withCreditViews } from '../web/components/credit-views.js';

it('a view knows what every rule makes of its steps: duplicates, prefixes and empty completions too', () => {
  const completion = fc.record({
    tokens: fc.array(fc.nat(2), { maxLength: 5 }),
    reward: fc.constantFrom(0, 0.25, 1),
  });
  fc.assert(
    fc.property(fc.array(completion, { minLength: 1, maxLength: 9 }), (completions) => {
      const analysis = analyzeGroup({
        completions: completions.map(({ tokens, reward }) => ({ tokens: Int32Array.from(tokens), reward })),
      });
      const view = treeView(analysis, { tokenText: String });
      const shown = withCreditViews(JSON.parse(JSON.stringify(view))).values ?? [];
      expect(shown.length).toBeGreaterThan(10);
      for (const { name, nodes } of shown) {
        expect(isCreditName(name)).toBe(true);
        expect(nodes, name).toEqual(Array.from(publishedCredit(name as CreditName, analysis).push));
      }
    }),
    { numRuns: 300 },
  );
});
