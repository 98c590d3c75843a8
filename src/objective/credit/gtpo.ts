/**
 * GTPO of arXiv 2508.03772 (Simoni et al.; another paper uses the same name for something else): tokens that good and
 * bad completions share are protected. In a step with members of both signs
 *   bᵢ = 2·aᵢ for aᵢ > 0,  0 for aᵢ < 0,  that is 2·A⁺ + 0·A⁻;  elsewhere bᵢ = aᵢ.
 * In the paper a token is shared if both signs have it at its position, from the first token on; here it is shared if
 * the whole prefix is, which is stricter. Not included: shared tokens at the end (a common suffix); the entropy filter,
 * which needs logits; the division by the number of shared tokens, which is in the released code.
 */
import { type CopyRule, everyCopy } from './copies.js';

export const gtpo: CopyRule = (tree, _rewards, advantages) => {
  const isMixed = new Uint8Array(tree.nodeCount);
  for (let node = 0; node < tree.nodeCount; node++) {
    let [good, bad] = [false, false];
    for (const i of tree.membersOf(node)) {
      good ||= advantages[i] > 0;
      bad ||= advantages[i] < 0;
    }
    isMixed[node] = Number(good && bad);
  }
  return {
    advantage: (i, node) => (isMixed[node] === 0 ? advantages[i] : Math.max(2 * advantages[i], 0)),
    factor: everyCopy(tree),
  };
};
