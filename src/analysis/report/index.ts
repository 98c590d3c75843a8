/** The report: a page in which the figures of a log and the trees of its groups can be looked at. */
export { ReportCollector, type ReportOptions } from './collector.js';
export type { ReportData, ReportGroup } from './data.js';
export type { AboutReport } from './page.js';
