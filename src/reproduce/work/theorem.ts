/**
 * A unit of work: random groups of one setting through the real transformer, and the differences between the forms of
 * the objective.
 */
import { lambdaWeights } from '../../objective/index.js';
import { Stream } from '../../random/stream.js';
import {
  forms,
  formsEngine,
  type LossAndGradients,
  packedUpdate,
  plainStepAdvantages,
  type Setting,
  weightedStepAdvantages,
} from '../forms.js';
import { paddedUpdate, relativeDeviation } from '../padded.js';
import type { WorkContext } from './context.js';

export interface TheoremSpec extends Setting {
  readonly kind: 'theorem';
  /** Importance ratio: of each token, or one for the whole sequence (GSPO), for which the identity should fail. */
  readonly ratio: 'token' | 'sequence';
  readonly groups: number;
  readonly seed: number;
}

/**
 * For each form the relative deviation of every group, [groups]: the larger of the loss's (relative to at least 0.1)
 * and the gradient's.
 */
export interface TheoremFigures {
  /** Packed tree against GRPO on padded sequences; empty with a sequence-level ratio, which a tree cannot represent. */
  readonly tree: readonly number[];
  /** PRM with the plain mean of the members as step advantage, against GRPO. */
  readonly prm: readonly number[];
  /** PRM with the weighted mean, against GRPO. */
  readonly weighted: readonly number[];
  /** λ-GRPO on the tree against GRPO's padded terms times 1/|λ|. */
  readonly lambda: readonly number[];
}

export async function runTheorem(spec: TheoremSpec, context: WorkContext): Promise<TheoremFigures> {
  const { ratio, clipped, klBeta } = spec;
  const engine = formsEngine();
  const form = ratio === 'sequence' ? 'gspo' : clipped ? 'clipped' : 'grpo';
  const padded = (batch: Parameters<typeof paddedUpdate>[2]) => paddedUpdate(engine.parameters, form, batch);
  const figures = { tree: [], prm: [], weighted: [], lambda: [] } as Record<keyof TheoremFigures, number[]>;
  try {
    for (let group = 0; group < spec.groups; group++) {
      const { normalisation } = spec;
      const built = forms(
        new Stream(spec.seed, 'theorem', normalisation, klBeta, Number(clipped), ratio, group),
        spec,
      );
      const grpo = await padded(built.padded('trajectory'));
      figures.prm.push(deviation(await padded(built.padded(plainStepAdvantages(built))), grpo));
      figures.weighted.push(deviation(await padded(built.padded(weightedStepAdvantages(built))), grpo));
      if (ratio === 'token') {
        const tree = await packedUpdate(engine, [built.example(0)], klBeta);
        figures.tree.push(deviation(tree, grpo));
        const scale = lambdaWeights(built.sample.tree, 1);
        figures.lambda.push(
          deviation(
            await packedUpdate(engine, [built.example(1)], klBeta),
            await padded(built.padded('trajectory', scale)),
          ),
        );
      }
      context.progress((group + 1) / spec.groups);
    }
  } finally {
    await engine.dispose();
  }
  return figures;
}

function deviation(a: LossAndGradients, b: LossAndGradients): number {
  const loss = Math.abs(a.loss - b.loss) / Math.max(0.1, Math.abs(b.loss));
  return Number(Math.max(loss, relativeDeviation(a.gradients, b.gradients)).toPrecision(3));
}
