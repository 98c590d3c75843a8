/**
 * The figures of a log as markup: headline, notes, charts, diagnostics. Used by the report's file and by pages that
 * read a log.
 */
import type { LogAnalysis } from '../figures.js';
import { escapeMarkup } from '../svg.js';
import { charts } from './charts.js';
import { diagnosticCards, headline, sourceTable } from './headline.js';

/**
 * @param notes how the figures were obtained, as far as the reader must know
 * @param level of its headings
 */
export function figuresMarkup(analysis: LogAnalysis, notes: readonly string[], level = 2): string {
  const list = notes.map((note) => `<li>${escapeMarkup(note)}</li>`).join('\n');
  return `${headline(analysis)}
${sourceTable(analysis, level)}
${notes.length > 0 ? `<details class="notes"><summary>Notes on what was read (${notes.length})</summary><ul>${list}</ul></details>` : ''}
<section aria-labelledby="charts-title">
<h${level} id="charts-title">Where the gradient goes</h${level}>
<p class="lead">Mass is |λ|·|Â(λ)| summed over the tokens of steps: how hard GRPO's sum pulls there. λ-GRPO counts each step once.</p>
<div class="charts">${charts(analysis).join('\n')}</div>
</section>
${diagnosticCards(analysis, level)}`;
}
