/** The report of many groups: figures over all of them, and the trees of some. */
import type { Group } from '../../rollouts/index.js';
import type { GroupAnalysis } from '../analyze-group.js';
import type { LogAnalysis } from '../figures.js';
import type { GroupScore } from '../gather.js';
import { type ChoiceOptions, GroupChoice } from './choice.js';
import type { ReportGroup } from './data.js';
import { type AboutReport, pageAssets, reportPage } from './page.js';

export type ReportOptions = ChoiceOptions;

export class ReportCollector {
  /** Read first, so that a missing file is noticed before a long log is read. */
  private readonly assets = pageAssets();
  private readonly choice: GroupChoice;

  /** @throws UserError if the page's script was not built */
  constructor(options: ReportOptions = {}) {
    this.choice = new GroupChoice(options);
  }

  /** Adds a group to the report. @param analysis and @param score of the same group */
  add(group: Group, analysis: GroupAnalysis, score: GroupScore): void {
    this.choice.add(group, analysis, score);
  }

  /** The kept groups, in the order of the log. */
  get groups(): ReportGroup[] {
    return this.choice.groups;
  }

  /** The page as one self-contained file. @param analysis figures over all groups */
  html(analysis: LogAnalysis, about: AboutReport): string {
    return reportPage(analysis, this.choice.data, about, this.assets);
  }
}
