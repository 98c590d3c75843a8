/**
 * `lambda-grpo/view`: the web component `<process-tree>`. Importing it registers the element; it needs no framework and
 * no style sheet (docs/view.md).
 */
import { defineProcessTree } from '../components/process-tree.js';

export type {
  CompletionView,
  NodeValuesView,
  StepView,
  TreeView,
} from '../../src/analysis/tree-view.js';
export {
  type CompletionJson,
  type GroupJson,
  GroupJsonError,
  viewOfGroup,
} from '../components/group-json.js';
export type { Weights } from '../components/node-values.js';
export {
  type CompletionSelect,
  defineProcessTree,
  ProcessTreeElement,
  type ProcessTreeEvents,
  type StepFocus,
  type WeightsChange,
} from '../components/process-tree.js';

defineProcessTree();
