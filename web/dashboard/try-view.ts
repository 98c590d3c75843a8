/** Try it: completions and rewards from the keyboard, and at once the tree, step rewards and weights they imply. */
import { analyzeGroup } from '../../src/analysis/analyze-group.js';
import { element } from '../components/dom.js';
import { treePanel } from './tree-panel.js';

/** The worked example of the paper (§3). */
const EXAMPLE = `0.5 ABCD
0.5 ABEFHI
1 JKLM
0 JKLNQST
0 JKLNQU
0.5 VWYZ`;
const MOST_LINES = 1000;

interface Typed {
  readonly completions: { tokens: Int32Array; reward: number }[];
  readonly texts: string[];
}

/** @throws Error that names the line */
export function parse(text: string, unit: 'characters' | 'words'): Typed {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  const lines = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [[i + 1, line] as const]));
  if (lines.length === 0) throw new Error('one line for each completion: its reward, a space, its text');
  if (lines.length > MOST_LINES) throw new Error(`${lines.length} lines; up to ${MOST_LINES} are shown`);
  const completions = lines.map(([number, line]) => {
    const [, reward, words = ''] =
      /^\s*([-+−]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?:[\t ](.*))?$/i.exec(line) ?? [];
    if (reward === undefined)
      throw new Error(
        `line ${number}: begins with no reward; write for example 0.5 ${line.trim().slice(0, 20)}`,
      );
    const units = unit === 'characters' ? [...words] : (words.match(/\s*\S+/g) ?? []);
    const tokens = Int32Array.from(units, (piece) => {
      let id = ids.get(piece);
      if (id === undefined) {
        id = texts.push(piece) - 1;
        ids.set(piece, id);
      }
      return id;
    });
    return { tokens, reward: Number(reward.replace('−', '-')) };
  });
  return { completions, texts };
}

export function tryView(): HTMLElement {
  const input = element('textarea', { id: 'typed', rows: 9, spellcheck: 'false' });
  input.value = EXAMPLE;
  const unit = element(
    'select',
    { id: 'unit' },
    element('option', { value: 'characters' }, 'characters'),
    element('option', { value: 'words' }, 'words'),
  );
  const problem = element('p', { class: 'problem', role: 'alert' });
  const result = element('div');

  function draw(): void {
    try {
      const { completions, texts } = parse(input.value, unit.value as 'characters' | 'words');
      const analysis = analyzeGroup({ completions });
      result.replaceChildren(treePanel(analysis, { tokenText: (id) => texts[id] }));
      problem.textContent = '';
    } catch (error) {
      // What was there before stays: one is still typing.
      problem.textContent = (error as Error).message;
    }
  }
  input.addEventListener('input', draw);
  unit.addEventListener('change', draw);
  draw();
  return element(
    'div',
    {},
    element('h1', {}, 'Try it'),
    element(
      'p',
      { class: 'lead' },
      'Completions that begin alike share process steps. A step’s reward is the mean of those that go through it; GRPO counts it |λ| times, λ-GRPO once.',
    ),
    element('label', { for: 'typed' }, 'One completion a line: its reward, a space, its text'),
    input,
    element('div', { class: 'controls' }, element('label', {}, 'tokens are ', unit)),
    problem,
    result,
  );
}
