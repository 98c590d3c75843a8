/**
 * The numbers that a tree can show: one for each step, which sets the colour of its box and is printed in it. An
 * objective weights a step's tokens by |λ|^(1 − p)·Â(λ): p = 0 is GRPO, p = 1 λ-GRPO. A view may also hold its own
 * values (credit rules).
 */
import type { TreeView } from '../../src/analysis/tree-view.js';
import { plain } from './format.js';

/** `step`: Â(λ); `grpo`, `lambda-grpo`; a number: the exponent p; any other name: values of the view with this name. */
export type Weights = 'step' | 'grpo' | 'lambda-grpo' | number | (string & {});

/** The value of each step, [steps]. Unknown names mean `step`. */
export function nodeValues({ steps, values = [] }: TreeView, weights: Weights): readonly number[] {
  const brought = values.find(({ name }) => name === weights);
  if (brought) return brought.nodes;
  const p = exponentOf(weights);
  return steps.map(({ size, advantage }) => (p === null ? advantage : size ** (1 - p) * advantage));
}

/** The exponent p; null if the weights have no exponent. */
export function exponentOf(weights: Weights): number | null {
  if (weights === 'grpo') return 0;
  if (weights === 'lambda-grpo') return 1;
  return typeof weights === 'number' ? weights : null;
}

/** A description of the weights. */
export function describeWeights({ values = [] }: TreeView, weights: Weights): string {
  const brought = values.find(({ name }) => name === weights);
  if (brought) return brought.meaning;
  const p = exponentOf(weights);
  if (p === null) return 'mean advantage of the step’s completions';
  if (p === 0) return '|λ|·Â: GRPO counts a step once for each completion through it';
  if (p === 1) return 'Â: λ-GRPO counts each step once';
  return `|λ|^${plain(1 - p)}·Â, p = ${plain(p)}`;
}

/** Reads the weights from the text of an attribute. */
export function readWeights(text: string | null): Weights {
  if (text === null || text.trim() === '') return 'step';
  const number = Number(text);
  return Number.isFinite(number) ? Math.min(1, Math.max(0, number)) : text;
}
