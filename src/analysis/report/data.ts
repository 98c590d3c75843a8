/** The data of the report's page, embedded as JSON. */
import type { ZeroVariance } from '../../objective/index.js';
import type { TreeView } from '../tree-view.js';

export interface ReportGroup {
  readonly step: number | null;
  readonly id: string;
  /** Name of the source (run or format); empty if there is only one. */
  readonly source: string;
  /** File and line of the log, if known. */
  readonly place: string;
  readonly prompt: string;
  /** The part that differs from the other groups' prompts. */
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
  /** Values of `GroupScore`. */
  readonly pushedDown: number;
  readonly worst: number;
  readonly flaw: number;
  /** Null if it has too many steps to be shown on a page. */
  readonly tree: TreeView | null;
}

export interface ReportData {
  /** Number of groups in the log; the ones below are a selection. */
  readonly total: number;
  readonly groups: readonly ReportGroup[];
}
