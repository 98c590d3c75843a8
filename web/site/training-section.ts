/**
 * The training of two policies: controls, both animated trees, the target's frequency, and a slider back to any step. A
 * past step is shown from its record. Continuing from there needs no copy of the weights, because the same seed takes
 * the same steps.
 */
import { csvLine } from '../../src/analysis/csv.js';
import { element } from '../components/dom.js';
import type { Curve } from '../dashboard/curves.js';
import { download } from '../dashboard/download.js';
import { Plot } from '../dashboard/plot.js';
import type { Address } from './address.js';
import { computing } from './computing.js';
import { oncePerFrame } from './frames.js';
import { LivingTree } from './living-tree.js';
import type { SiteProvider } from './messages.js';
import { METHODS, Race } from './race.js';
import { seedsPanel } from './seeds.js';
import { SETTINGS, type Settings } from './settings.js';
import type { StepRecord } from './training.js';

/** Number of steps that the drawn frequency averages. */
const WINDOW = 10;
const NAMES: Record<string, string> = { grpo: 'GRPO', 'lambda-grpo': 'λ-GRPO' };
/** Indices of the methods' colours in the palette of plots. */
const COLOURS = METHODS.map((method) => (method === 'grpo' ? 1 : 0));

export function trainingSection(place: HTMLElement, address: Address): void {
  let race: Race | null = null;
  let trees: LivingTree[] = [];
  /** The step that is shown; null: the newest. */
  let shown: number | null = null;
  let running = false;
  let began = 0;
  const redraw = oncePerFrame(draw);

  const controls = settingsForm(address, () => {
    stop();
    say('Changed: training begins from the first step.');
  });
  const train = element('button', { type: 'button', class: 'main' }, 'Train');
  const single = element('button', { type: 'button' }, 'One step');
  const again = element('button', { type: 'button' }, 'Start over');
  const save = element('button', { type: 'button', disabled: true }, 'CSV of all steps');
  const rewind = element('input', { type: 'range', min: 1, max: 1, step: 1, value: 1, disabled: true });
  const where = element('output', {}, 'no step yet');
  const status = element(
    'p',
    { class: 'status', role: 'status' },
    'ONNX Runtime (14 MB) is loaded when training starts.',
  );
  const problem = element('p', { class: 'problem', role: 'alert' });
  const pictures = element('div', { class: 'pair' });
  const groups = METHODS.map(() => element('process-tree', { controls: 'none' }));
  const details = element(
    'details',
    {},
    element('summary', {}, 'The groups that this step sampled'),
    element(
      'div',
      { class: 'pair' },
      ...METHODS.map((method, i) => element('div', {}, element('h3', {}, NAMES[method]), groups[i])),
    ),
  );
  const plot = new Plot({ height: 220 });
  plot.element.setAttribute('role', 'img');
  plot.element.setAttribute('aria-label', 'Frequency of the target in the groups, by step');

  const say = (text: string): void => {
    status.textContent = text;
  };

  function stop(): void {
    race?.dispose();
    race = null;
    running = false;
    shown = null;
    trees = [];
    pictures.replaceChildren();
    for (const group of groups) group.group = null;
    plot.draw([]);
    details.hidden = true;
    place.removeAttribute('data-taken');
    buttons();
  }

  function buttons(): void {
    const stepCount = race?.taken ?? 0;
    const whole = race !== null && race.steps > 0 && stepCount >= race.steps;
    train.textContent = whole ? 'Trained' : running ? 'Pause' : stepCount > 0 ? 'Go on' : 'Train';
    train.disabled = whole;
    single.disabled = running || whole;
    save.disabled = stepCount === 0;
    rewind.disabled = stepCount === 0;
    rewind.max = String(Math.max(1, stepCount));
    if (shown === null) rewind.value = rewind.max;
    if (stepCount > 0) place.dataset.taken = String(stepCount);
  }

  function start(): Race {
    problem.textContent = '';
    began = performance.now();
    say('Loading ONNX Runtime …');
    const opened = new Race(controls.settings(), controls.provider(), {
      ready() {
        trees = METHODS.map((method) => new LivingTree(method, opened.depth, opened.target));
        pictures.replaceChildren(
          ...METHODS.map((method, i) =>
            element('div', {}, element('h3', {}, NAMES[method]), trees[i].element),
          ),
        );
        say(
          `${computing(controls.provider(), opened.threads)}, a worker each; ready after ${seconds(began)}.`,
        );
        began = performance.now();
      },
      step: redraw,
      fault(message) {
        problem.textContent = message;
        running = false;
        race = null;
        buttons();
      },
      restarted(method, message) {
        say(
          `The worker of ${NAMES[method]} ended (${message}). Another took its place and repeats its steps: same seed, same numbers.`,
        );
      },
      slept(time) {
        say(`The tab slept for ${time} s; training goes on.`);
      },
    });
    return opened;
  }

  function draw(): void {
    buttons();
    const stepCount = race?.taken ?? 0;
    if (!race || stepCount === 0 || trees.length === 0) return;
    const step = Math.min(shown ?? stepCount, stepCount);
    const records = METHODS.map((method) => (race as Race).recordsOf(method)[step - 1]);
    trees.forEach((tree, i) => {
      tree.show(records[i]);
    });
    where.textContent = `step ${step} of ${race.steps}`;
    plot.draw(
      METHODS.map((method) => curveOf(NAMES[method], (race as Race).recordsOf(method))),
      'step',
      COLOURS,
    );
    details.hidden = false;
    if (details.open) drawGroups(records);
    if (running && stepCount >= race.steps) {
      running = false;
      say(
        `${race.steps} steps of both in ${seconds(began)}, ${computing(controls.provider(), race.threads)}.`,
      );
      buttons();
    }
  }

  function drawGroups(records: readonly StepRecord[]): void {
    records.forEach(({ paths, rewards }, i) => {
      groups[i].group = {
        completions: paths.map((path, k) => ({ tokens: [...path], reward: rewards[k] })),
      };
    });
  }

  train.addEventListener('click', () => {
    running = !running;
    shown = null;
    if (running) {
      race ??= start();
      race.goTo(Number.MAX_SAFE_INTEGER);
    } else race?.goTo(0);
    redraw();
    buttons();
  });
  single.addEventListener('click', () => {
    // Advances from the shown step to the next step that was taken.
    if (race && shown !== null && shown < race.taken) {
      shown++;
      rewind.value = String(shown);
    } else {
      shown = null;
      race ??= start();
      race.goTo(race.taken + 1);
    }
    redraw();
  });
  again.addEventListener('click', () => {
    stop();
    say('The next step is the first.');
  });
  rewind.addEventListener('input', () => {
    shown = Number(rewind.value);
    if (running) {
      running = false;
      race?.goTo(0);
    }
    redraw();
  });
  details.addEventListener('toggle', redraw);
  save.addEventListener('click', () => {
    if (race) download('binary-tree.csv', 'text/csv', csvOf(race));
  });

  place.append(
    element('h2', { id: 'training-title' }, 'Two policies train before your eyes'),
    element(
      'p',
      { class: 'lead' },
      'The paper’s binary tree (§4.3): a path of four turns, and one of the 16 is the target (★, reward 1). Paths that share only its ' +
        'first turns lose, others get 0.7. Two small transformers begin with the same random weights; GRPO trains one, λ-GRPO the other. ' +
        'A branch is as wide as the policy is likely to go there; blue is pushed up, orange pushed down by the group just sampled.',
    ),
    controls.element,
    element('div', { class: 'controls' }, train, single, again, save),
    element('label', { class: 'rewind' }, 'Look at step ', rewind, where),
    status,
    problem,
    pictures,
    element(
      'div',
      { class: 'after-training' },
      element('h3', {}, `Frequency of the target, mean of ${WINDOW} steps`),
      element(
        'p',
        { class: 'key' },
        ...METHODS.map((method) => element('span', { class: method }, NAMES[method])),
      ),
      plot.element,
    ),
    details,
    seedsPanel(controls),
  );
  stop();
}

/** The controls, with the values of the address. */
function settingsForm(
  address: Address,
  onChange: () => void,
): { readonly element: HTMLElement; settings(): Settings; provider(): SiteProvider } {
  const field = (
    name: keyof Settings,
    label: string,
    input: HTMLInputElement | HTMLSelectElement,
  ): HTMLElement => {
    input.value = address.get(name) ?? SETTINGS[name];
    input.addEventListener('change', () => {
      address.set(name, input.value, SETTINGS[name]);
      onChange();
    });
    inputs.set(name, input);
    return element('label', {}, label, input);
  };
  const inputs = new Map<keyof Settings, HTMLInputElement | HTMLSelectElement>();
  const number = () => element('input', { type: 'text', inputmode: 'decimal', size: 6, autocomplete: 'off' });
  const choice = (...values: readonly string[]) =>
    element('select', {}, ...values.map((value) => element('option', { value }, value)));
  const provider = element(
    'select',
    {},
    element('option', { value: 'wasm' }, 'WebAssembly'),
    element('option', { value: 'webgpu', disabled: !('gpu' in navigator) }, 'WebGPU (27 MB more)'),
  );
  if (address.get('by') === 'webgpu' && 'gpu' in navigator) provider.value = 'webgpu';
  provider.addEventListener('change', () => {
    address.set('by', provider.value, 'wasm');
    onChange();
  });
  const form = element(
    'fieldset',
    { class: 'controls' },
    element('legend', {}, 'Settings'),
    field('n', 'n, turns that make a path lose', choice('1', '2', '3')),
    field('rneg', 'their reward', number()),
    field('optimizer', 'optimizer', choice('adamw', 'sgd')),
    field('lr', 'learning rate', number()),
    field('epsilon', 'Adam’s ε', number()),
    field('clip', 'clip the gradient’s norm at', number()),
    field('seed', 'seed', number()),
    field('steps', 'steps', number()),
    element('label', {}, 'computed by', provider),
  );
  return {
    element: form,
    provider: () => provider.value as SiteProvider,
    settings: () =>
      Object.fromEntries([...inputs].map(([name, { value }]) => [name, value])) as unknown as Settings,
  };
}

function curveOf(name: string, records: readonly StepRecord[]): Curve {
  let sum = 0;
  const mean = records.map(({ frequency }, i) => {
    sum += frequency - (records[i - WINDOW]?.frequency ?? 0);
    return sum / Math.min(i + 1, WINDOW);
  });
  return { name, runs: [name], x: records.map(({ step }) => step), mean };
}

/** Every step of both methods, with all digits. */
function csvOf(race: Race): string {
  const rows = METHODS.flatMap((method) =>
    race
      .recordsOf(method)
      .map(({ step, frequency, rewards, loss, gradNorm, logprobs }) =>
        csvLine([
          method,
          step,
          frequency,
          rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length,
          loss,
          gradNorm,
          ...logprobs,
        ]),
      ),
  );
  const turns = race.recordsOf(METHODS[0])[0].logprobs.map((_, i) => `logprob_${i}`);
  const head = csvLine(['method', 'step', 'frequency', 'reward', 'loss', 'grad_norm', ...turns]);
  return head + rows.join('');
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
