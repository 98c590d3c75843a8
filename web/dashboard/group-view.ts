/** One group of a run: its process tree, computed in the page by the code that training uses. */

import { analyzeGroup } from '../../src/analysis/analyze-group.js';
import { pieceOf } from '../../src/rollouts/pieces.js';
import { mean } from '../../src/statistics/index.js';
import { element } from '../components/dom.js';
import { count, plain, shownLines, visible } from '../components/format.js';
import { getGroup } from './api.js';
import { treePanel } from './tree-panel.js';

export async function groupView(run: string, step: number, n: number): Promise<HTMLElement> {
  const { id, prompt, completions, tokenTexts, judged } = await getGroup(run, step, n);
  const analysis = analyzeGroup(
    { completions: completions.map(({ tokens, reward }) => ({ tokens: Int32Array.from(tokens), reward })) },
    { asTrained: judged },
  );
  const { statistics, rewards } = analysis;
  const named = Object.keys(tokenTexts).length > 0;
  const facts = [
    `step ${step}`,
    `${completions.length} completions`,
    `${count(statistics.tokens)} tokens, ${count(statistics.distinctTokens)} distinct`,
    `mean reward ${plain(mean(rewards))}`,
    `path depth ${statistics.meanPathDepth.toFixed(2)}`,
    `intermediate proportion ${statistics.meanIntermediateProportion.toFixed(2)}`,
  ];
  const back = `#/groups?${new URLSearchParams({ run, step: String(step) })}`;
  return element(
    'div',
    {},
    element('p', { class: 'crumbs' }, element('a', { href: back }, `${run}, step ${step}`)),
    element('h1', {}, 'Group ', element('span', { class: 'source' }, visible(id))),
    element('p', { class: 'lead' }, facts.join(' · ')),
    element(
      'details',
      { class: 'prompt' },
      element('summary', {}, prompt === '' ? 'How Â was computed' : 'Prompt, and how Â was computed'),
      ...(prompt === '' ? [] : [element('pre', { tabindex: 0, 'aria-label': 'Prompt' }, shownLines(prompt))]),
      element(
        'p',
        { class: 'lead judged' },
        `Â ${judged?.text ?? 'as in the paper: the run’s configuration is unknown'}`,
      ),
    ),
    treePanel(analysis, {
      tokenText: (token) => pieceOf(tokenTexts, token),
      separator: named ? '' : ' ',
    }),
  );
}
