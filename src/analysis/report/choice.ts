/**
 * Chooses the groups of a log whose trees are shown, in the report and in a page. Half of them are the groups that
 * λ-GRPO changes most (most good completions pushed down, then the largest (|λ| − 1)·|Â|); the other half is every n-th
 * group, as an unbiased sample. Memory: the kept groups, with bounded texts.
 */

import { type Group, pieceOf } from '../../rollouts/index.js';
import { mean } from '../../statistics/index.js';
import type { GroupAnalysis } from '../analyze-group.js';
import type { GroupScore } from '../gather.js';
import { promptParts } from '../prompt-parts.js';
import { treeView } from '../tree-view.js';
import type { ReportData, ReportGroup } from './data.js';

export interface ChoiceOptions {
  /** Number of groups that are kept with their trees; default 200. */
  readonly maxGroups?: number;
}

const PROMPT_LENGTH = 2000;
const QUESTION_LENGTH = 200;
/** Maximum number of characters in all steps of one group. */
const TEXT_LENGTH = 60_000;
const MOST_STEPS = 2000;

interface Kept {
  /** Index in the log, from 0. */
  readonly order: number;
  readonly group: ReportGroup;
}

export class GroupChoice {
  private readonly worstRoom: number;
  private readonly spreadRoom: number;
  /** Ordered by change, largest first. */
  private readonly worst: Kept[] = [];
  /** Every `stride`-th group. */
  private spread: Kept[] = [];
  private stride = 1;
  private count = 0;

  constructor({ maxGroups = 200 }: ChoiceOptions = {}) {
    this.worstRoom = Math.ceil(maxGroups / 2);
    this.spreadRoom = maxGroups - this.worstRoom;
  }

  /** Offers a group to the choice. @param analysis and @param score of the same group */
  add(group: Group, analysis: GroupAnalysis, score: GroupScore): void {
    const order = this.count++;
    let kept: Kept | null = null;
    const keep = (): Kept => {
      kept ??= { order, group: reportGroup(group, analysis, score) };
      return kept;
    };
    if (this.worstRoom > 0) {
      const last = this.worst.at(-1);
      if (this.worst.length < this.worstRoom || (last && compare(score, last.group) > 0)) {
        let at = this.worst.length;
        while (at > 0 && compare(score, this.worst[at - 1].group) > 0) at--;
        this.worst.splice(at, 0, keep());
        if (this.worst.length > this.worstRoom) this.worst.pop();
      }
    }
    if (this.spreadRoom > 0 && order % this.stride === 0) {
      if (this.spread.length === this.spreadRoom) {
        this.stride *= 2;
        this.spread = this.spread.filter((other) => other.order % this.stride === 0);
      }
      if (order % this.stride === 0) this.spread.push(keep());
    }
  }

  /** The kept groups, in the order of the log. */
  get groups(): ReportGroup[] {
    const kept = new Map([...this.worst, ...this.spread].map((entry) => [entry.order, entry.group]));
    const groups = [...kept].sort(([a], [b]) => a - b).map(([, group]) => group);
    const questions = promptParts(groups.map(({ prompt }) => prompt));
    return groups.map((group, i) => ({ ...group, question: questions[i].slice(0, QUESTION_LENGTH) }));
  }

  /** The data of one group for the page. */
  get data(): ReportData {
    return { total: this.count, groups: this.groups };
  }
}

/** Positive if the first group is changed more. */
function compare(a: GroupScore, b: GroupScore): number {
  return a.pushedDown - b.pushedDown || a.flaw - b.flaw;
}

function reportGroup(group: Group, analysis: GroupAnalysis, score: GroupScore): ReportGroup {
  const { tree, statistics, rewards } = analysis;
  const { source } = group;
  const prompt = group.prompt.text ?? '';
  return {
    step: group.step,
    id: group.id,
    source: source?.label ?? '',
    place: source ? `${source.file}:${source.line}` : '',
    question: '',
    prompt: prompt.length > PROMPT_LENGTH ? `${prompt.slice(0, PROMPT_LENGTH)} …` : prompt,
    completions: tree.groupSize,
    tokens: statistics.tokens,
    distinctTokens: statistics.distinctTokens,
    tokenSource: group.tokens,
    meanReward: mean(rewards),
    flat: statistics.flat,
    zeroVariance: analysis.zeroVariance,
    pathDepth: statistics.meanPathDepth,
    intermediateProportion: statistics.meanIntermediateProportion,
    ...score,
    tree: tree.nodeCount > MOST_STEPS ? null : viewOf(group, analysis),
  };
}

function viewOf(group: Group, analysis: GroupAnalysis) {
  const texts = group.tokenTexts;
  return treeView(analysis, {
    tokenText: (id) => pieceOf(texts, id),
    separator: texts ? '' : ' ',
    longest: Math.max(80, Math.floor(TEXT_LENGTH / analysis.tree.nodeCount)),
  });
}
