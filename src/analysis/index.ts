/** Figures over groups, and their pictures. */
export { type AnalyzableGroup, analyzeGroup, type GroupAnalysis } from './analyze-group.js';
export { lineChartSvg } from './chart.js';
export { confidenceInterval, type Interval } from './interval.js';
