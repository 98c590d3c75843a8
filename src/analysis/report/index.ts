/** The report: a page that shows the figures of a log and the trees of its groups. */
export { ReportCollector, type ReportOptions } from './collector.js';
export type { ReportData, ReportGroup } from './data.js';
export type { AboutReport } from './page.js';
