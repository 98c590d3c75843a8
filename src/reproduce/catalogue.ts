/** All experiments, in the order of the paper; an experiment comes after those that it builds on. */
import type { Experiment } from './experiment.js';
import { binaryTree } from './experiments/binary-tree.js';
import { binaryTreeGpt2 } from './experiments/binary-tree-gpt2.js';
import { credit } from './experiments/credit.js';
import { exponent } from './experiments/exponent.js';
import { languageModel } from './experiments/language-model.js';
import { languageModelStructure } from './experiments/language-model-structure.js';
import { overhead } from './experiments/overhead.js';
import { processRewards } from './experiments/process-rewards.js';
import { reasoning } from './experiments/reasoning.js';
import { scaleControl } from './experiments/scale-control.js';
import { scaleControlReasoning } from './experiments/scale-control-reasoning.js';
import { structure } from './experiments/structure.js';
import { theorem } from './experiments/theorem.js';

export const EXPERIMENTS: readonly Experiment[] = [
  theorem,
  binaryTree,
  binaryTreeGpt2,
  structure,
  overhead,
  processRewards,
  scaleControl,
  exponent,
  reasoning,
  scaleControlReasoning,
  credit,
  languageModelStructure,
  languageModel,
];
