/** What the page of the report gets, as JSON within it. */
import type { ZeroVariance } from '../../objective/index.js';
import type { TreeView } from '../tree-view.js';

export interface ReportGroup {
  readonly step: number | null;
  readonly id: string;
  /** Which of several runs or formats it is from; empty where there is but one. */
  readonly source: string;
  /** File and line of the log, where known. */
  readonly place: string;
  readonly prompt: string;
  /** Where it differs from those of the other groups in the file. */
  readonly question: string;
  readonly completions: number;
  readonly tokens: number;
  readonly distinctTokens: number;
  readonly tokenSource: string;
  readonly meanReward: number;
  readonly flat: boolean;
  /** Null: mixed rewards. */
  readonly zeroVariance: ZeroVariance | null;
  readonly pathDepth: number;
  readonly intermediateProportion: number;
  /** Of `GroupScore`. */
  readonly pushedDown: number;
  readonly worst: number;
  readonly flaw: number;
  /** Null where it has too many steps to be shown on a page. */
  readonly tree: TreeView | null;
}

export interface ReportData {
  /** Groups of the log; those below are some of them. */
  readonly total: number;
  readonly groups: readonly ReportGroup[];
}
