/** Figures over groups, and charts of them. */
export { type StepMass, stepMass } from '../objective/index.js';
export {
  type AnalysisOptions,
  type AnalyzableGroup,
  analyzeGroup,
  type GroupAnalysis,
} from './analyze-group.js';
export { analyzeRead } from './analyze-read.js';
export { type AsTrained, asTrained, describeTrained, type RunObjective, runObjective } from './as-trained.js';
export { type BarChart, type BarSeries, barChartSvg } from './bar-chart.js';
export { lineChartSvg, type Series } from './chart.js';
export { creditRows } from './credit-rows.js';
export { type CsvCell, csvLine } from './csv.js';
export { type DiagnosisFigures, TreeDiagnosis } from './diagnostics/diagnosis.js';
export type {
  AgeFigures,
  Diagnostics,
  MergedFigures,
  NoiseFigures,
  RetokenisedFigures,
  SplitFigures,
  TrainerFigures,
} from './diagnostics/figures.js';
export { type DiagnosticRow, diagnosticRows } from './diagnostics/rows.js';
export type { CreditFigures, LogAnalysis, LogFigures, SourceFigures, StepFigures } from './figures.js';
export { type GroupScore, groupScore, LogGatherer } from './gather.js';
export { type GroupCredit, ownCredit, publishedCredit, tokenCredit } from './group-credit.js';
export { promptParts } from './prompt-parts.js';
export {
  type AboutReport,
  ReportCollector,
  type ReportOptions,
} from './report/index.js';
export { stepTexts, type TokenTextOptions } from './step-texts.js';
export { GRPO_COLOUR, LAMBDA_GRPO_COLOUR, ruleColours } from './svg.js';
export { type TreeSvgOptions, treeSvg } from './tree-svg.js';
export {
  type CompletionView,
  type NodeValuesView,
  type StepView,
  type TreeView,
  type TreeViewOptions,
  treeView,
} from './tree-view.js';
export { WeightsError, WeightsWriter } from './weights.js';
