/** The figures at the top of the report, each with a line that explains it. */

import { creditRows } from '../credit-rows.js';
import { diagnosticRows } from '../diagnostics/rows.js';
import type { LogAnalysis, LogFigures } from '../figures.js';
import { escapeMarkup } from '../svg.js';

/** Explanation of each source of token ids. */
const TOKENS: Readonly<Record<string, string>> = {
  exact: 'token ids as they were sampled',
  retokenized: 'retokenized: ids computed from the text, most likely the sampled ones',
  'text-units': 'text units: words and marks instead of tokens; figures per token are approximate',
};

const GROUPS: Readonly<Record<string, string>> = {
  explicit: 'grouped by the group ids of the log',
  consecutive: 'grouped by consecutive rows',
  'prompt-text': 'grouped by equal prompts; the log has no group ids',
};

export function headline({ all }: LogAnalysis): string {
  return `<p class="sources">${escapeMarkup(sources(all))}</p>\n<dl class="cards">${cards(cardsOf(all))}</dl>`;
}

/** Figures that only the tree gives, and figures under credit rules if they were requested. */
export function diagnosticCards(analysis: LogAnalysis, level = 2): string {
  const { header, rows } = creditRows(analysis.all.credit);
  const rules = rows.map(([rule, up, ...values]): readonly string[] => [
    rule,
    `${up} up`,
    values.map((value, i) => `${header[i + 2]} ${value}`).join(', '),
  ]);
  const under = `<h${level + 1}>Under credit rules: share of the push by sign and depth</h${level + 1}>
<dl class="cards">${cards(rules)}</dl>`;
  return `<section aria-labelledby="tree-title">
<h${level} id="tree-title">More from the tree</h${level}>
<dl class="cards">${cards(diagnosticRows(analysis))}</dl>
${rules.length > 0 ? under : ''}
</section>`;
}

function cards(rows: readonly (readonly string[])[]): string {
  return rows
    .map(
      ([name, value, meaning]) =>
        `<div class="card"><dt>${escapeMarkup(name)}</dt><dd><span class="value">${escapeMarkup(value)}</span><span class="meaning">${escapeMarkup(meaning)}</span></dd></div>`,
    )
    .join('\n');
}

/** A table of the sources, if there are several. */
export function sourceTable({ sources }: LogAnalysis, level = 2): string {
  if (sources.length === 0) return '';
  const cells = (tag: string, row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join('')}</tr>`;
  const header = [
    'source',
    'format',
    'groups',
    'mean reward',
    'zero-variance',
    'flat',
    'path depth',
    'good pushed down',
  ];
  const rows = sources.map(({ label, format, all: f }) => [
    label,
    format,
    count(f.groups),
    f.meanReward.toFixed(4),
    percent(f.zeroVarianceGroups, f.groups),
    percent(f.flatGroups, f.groups),
    f.meanPathDepth.toFixed(2),
    percent(f.good.pushedDown, f.good.completions),
  ]);
  return `<section aria-labelledby="sources-title">
<h${level} id="sources-title">Sources</h${level}>
<p class="lead">Figures above and charts below are over all of them together.</p>
<table class="by-source"><thead>${cells('th', header)}</thead><tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table>
</section>`;
}

/** The origin of tokens and groups in words. */
function sources({ tokenSources, groupSources, groups }: LogFigures): string {
  const list = (counts: Readonly<Record<string, number>>, words: Readonly<Record<string, string>>) =>
    Object.entries(counts)
      .filter(([, n]) => n > 0)
      .map(([name, n]) => `${words[name] ?? name}${n < groups ? ` (${count(n)} groups)` : ''}`)
      .join('; ');
  return `Tokens: ${list(tokenSources, TOKENS)}. Groups: ${list(groupSources, GROUPS)}.`;
}

function cardsOf(f: LogFigures): [name: string, value: string, meaning: string][] {
  return [
    ['groups', count(f.groups), `${count(f.completions)} completions, ${count(f.tokens)} tokens`],
    [
      'good completions pushed down',
      percent(f.good.pushedDown, f.good.completions),
      `${count(f.good.pushedDown)} of ${count(f.good.completions)} with a positive advantage have most of their tokens in steps with a negative one`,
    ],
    [
      'bad completions pushed up',
      percent(f.bad.pushedUp, f.bad.completions),
      `${count(f.bad.pushedUp)} of ${count(f.bad.completions)}, the reverse`,
    ],
    [
      'zero-variance groups',
      percent(f.zeroVarianceGroups, f.groups),
      `all rewards equal, no gradient: ${count(f.zeroVariance.right)} all right, ${count(f.zeroVariance.wrong)} all wrong, ${count(f.zeroVariance.other)} other`,
    ],
    ['flat groups', percent(f.flatGroups, f.groups), 'no step between the root and the completions'],
    ['path depth', f.meanPathDepth.toFixed(2), 'mean number of intermediate steps on a completion’s path'],
    [
      'intermediate proportion',
      f.meanIntermediateProportion.toFixed(3),
      'share of a completion that lies in intermediate steps, mean',
    ],
    ['tokens in shared steps', percent(f.sharedTokenShare, 1), 'steps shared by several completions'],
    ['compute the tree saves', percent(f.tokensSaved, 1), `${count(f.distinctTokens)} distinct tokens`],
    ['mean reward', f.meanReward.toPrecision(3), 'over completions'],
  ];
}

/** With thin spaces between groups of three digits. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

export function percent(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '–';
}
