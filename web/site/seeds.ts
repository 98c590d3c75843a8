/**
 * Trains both methods from each of several seeds, one after the other, and shows how often each seed's last groups
 * contained the target. One run shows only what can happen; several seeds show how often.
 */
import { shareInterval } from '../../src/statistics/index.js';
import { element, svgElement } from '../components/dom.js';
import { COLOUR } from './living-tree.js';
import type { SiteProvider } from './messages.js';
import { METHODS, Race } from './race.js';
import type { Settings } from './settings.js';

/** Number of last steps whose mean is a seed's figure, as in the README's table. */
const LAST = 50;
const MOST = 50;
const NAMES: Record<string, string> = { grpo: 'GRPO', 'lambda-grpo': 'λ-GRPO' };
const WIDTH = 640;
const ROW = 46;
const LEFT = 84;

export interface SeedsControls {
  settings(): Settings;
  provider(): SiteProvider;
}

export function seedsPanel(controls: SeedsControls): HTMLElement {
  const count = element('input', {
    type: 'text',
    inputmode: 'numeric',
    size: 3,
    value: 10,
    autocomplete: 'off',
  });
  const button = element('button', { type: 'button' }, 'Run seeds');
  const status = element('p', { class: 'status', role: 'status' });
  const picture = element('div', { class: 'seeds' });
  let race: Race | null = null;

  function end(message: string): void {
    race?.dispose();
    race = null;
    button.textContent = 'Run seeds';
    status.textContent = message;
  }

  /** One seed of both methods: the mean frequency of the last steps. @throws Error if the run cannot continue */
  function run(settings: Settings): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const opened = new Race(settings, controls.provider(), {
        ready() {},
        restarted() {},
        slept() {},
        fault: (message) => reject(new Error(message)),
        step() {
          if (opened.taken < opened.steps) return;
          opened.dispose();
          resolve(
            METHODS.map((method) => {
              const records = opened.recordsOf(method).slice(-LAST);
              return records.reduce((sum, { frequency }) => sum + frequency, 0) / records.length;
            }),
          );
        },
      });
      race = opened;
      opened.goTo(Number.MAX_SAFE_INTEGER);
    });
  }

  async function runAll(seeds: number): Promise<void> {
    const settings = controls.settings();
    const values: number[][] = METHODS.map(() => []);
    button.textContent = 'Stop';
    picture.replaceChildren();
    for (let i = 0; i < seeds; i++) {
      status.textContent = `seed ${i + 1} of ${seeds} …`;
      const seed = i === 0 ? settings.seed : String(Number(settings.seed) + i);
      const shares = await run({ ...settings, seed });
      shares.forEach((share, m) => {
        values[m].push(share);
      });
      picture.replaceChildren(strip(values));
    }
    end(
      `${METHODS.map((method, m) => `${NAMES[method]} ${described(values[m])}`).join(', ')}: frequency of the target in the last ` +
        `${LAST} steps, mean of n = ${seeds} seeds with a 95% interval (Wilson).`,
    );
  }

  button.addEventListener('click', () => {
    if (race) {
      end('Stopped.');
      return;
    }
    const seeds = Number(count.value);
    if (!Number.isInteger(seeds) || seeds < 1 || seeds > MOST) {
      status.textContent = `seeds: expected a whole number from 1 to ${MOST}, got ${count.value || 'nothing'}`;
      return;
    }
    runAll(seeds).catch((error: Error) => end(error.message));
  });
  return element(
    'div',
    { class: 'seeds-panel' },
    element('h3', {}, 'Luck, or the method?'),
    element('div', { class: 'controls' }, element('label', {}, 'seeds', count), button),
    status,
    picture,
  );
}

function described(values: readonly number[]): string {
  const { mean, low, high } = shareInterval(values);
  return `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

/** One dot per seed, the mean and its interval, from 0 to 1. */
function strip(values: readonly (readonly number[])[]): SVGSVGElement {
  const at = (share: number) => LEFT + share * (WIDTH - LEFT - 20);
  const svg = svgElement('svg', {
    viewBox: `0 0 ${WIDTH} ${ROW * values.length + 24}`,
    role: 'img',
    'aria-label': values.map((shares, m) => `${NAMES[METHODS[m]]}: ${described(shares)}`).join(', '),
  });
  const axis = ROW * values.length + 4;
  for (const share of [0, 0.5, 1]) {
    svg.append(svgElement('line', { x1: at(share), x2: at(share), y1: 4, y2: axis, class: 'grid' }));
    svg.append(text(at(share) - 4, axis + 16, String(share)));
  }
  values.forEach((shares, m) => {
    const y = ROW * m + ROW / 2;
    const colour = COLOUR[METHODS[m]];
    const { mean, low, high } = shareInterval(shares);
    svg.append(text(0, y + 4, NAMES[METHODS[m]]));
    svg.append(
      svgElement('line', {
        x1: at(low),
        x2: at(high),
        y1: y + 12,
        y2: y + 12,
        stroke: colour,
        'stroke-width': 2,
      }),
      svgElement('line', {
        x1: at(mean),
        x2: at(mean),
        y1: y + 7,
        y2: y + 17,
        stroke: colour,
        'stroke-width': 3,
      }),
      ...shares.map((share) =>
        svgElement('circle', { cx: at(share), cy: y - 4, r: 5, fill: colour, 'fill-opacity': 0.5 }),
      ),
    );
  });
  return svg;
}

function text(x: number, y: number, words: string): SVGTextElement {
  return svgElement('text', { x, y }, words);
}
