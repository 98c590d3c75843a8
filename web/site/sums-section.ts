/**
 * Training on sums with a chain of thought: shows completions of a few held-out sums, step by step, while the policy
 * trains.
 */
import { element } from '../components/dom.js';
import { percent } from '../components/format.js';
import { Plot } from '../dashboard/plot.js';
import { computing } from './computing.js';
import { oncePerFrame } from './frames.js';
import type { SumsRecord } from './sums-training.js';
import type { FromSums, ToSums } from './sums-worker.js';

type Method = 'grpo' | 'lambda-grpo';
const NAMES: Record<Method, string> = { grpo: 'GRPO', 'lambda-grpo': 'λ-GRPO' };

export function sumsSection(place: HTMLElement): void {
  let worker: Worker | null = null;
  let steps = 0;
  let threads = 1;
  let records: SumsRecord[] = [];
  let shown: number | null = null;
  let running = false;
  const redraw = oncePerFrame(draw);

  const method = element(
    'select',
    {},
    element('option', { value: 'lambda-grpo' }, 'λ-GRPO'),
    element('option', { value: 'grpo' }, 'GRPO'),
  );
  const train = element('button', { type: 'button', class: 'main' }, 'Train on sums');
  const single = element('button', { type: 'button' }, 'One step');
  const again = element('button', { type: 'button' }, 'Start over');
  const which = element('select', { disabled: true });
  const rewind = element('input', { type: 'range', min: 1, max: 1, step: 1, value: 1, disabled: true });
  const where = element('output', {}, 'no step yet');
  const status = element('p', { class: 'status', role: 'status' });
  const problem = element('p', { class: 'problem', role: 'alert' });
  const tree = element('process-tree');
  const plot = new Plot({ height: 160 });
  plot.element.setAttribute('role', 'img');
  plot.element.setAttribute('aria-label', 'Share of right answers among the samples of each step');

  const tell = (message: ToSums): void => worker?.postMessage(message);

  function stop(): void {
    worker?.terminate();
    worker = null;
    running = false;
    steps = 0;
    records = [];
    shown = null;
    tree.group = null;
    plot.draw([]);
    where.textContent = 'no step yet';
    place.removeAttribute('data-taken');
    buttons();
  }

  function buttons(): void {
    const stepCount = records.length;
    const whole = steps > 0 && stepCount >= steps;
    train.textContent = whole ? 'Trained' : running ? 'Pause' : stepCount > 0 ? 'Go on' : 'Train on sums';
    train.disabled = whole;
    single.disabled = running || whole;
    method.disabled = worker !== null;
    rewind.disabled = stepCount === 0;
    rewind.max = String(Math.max(1, stepCount));
    if (shown === null) rewind.value = rewind.max;
    if (stepCount > 0) place.dataset.taken = String(stepCount);
  }

  function hear(message: FromSums): void {
    if (message.kind === 'ready') ({ steps, threads } = message);
    else if (message.kind === 'fault') fail(message.message);
    else {
      records.push(message.record);
      redraw();
    }
  }

  function fail(message: string): void {
    stop();
    problem.textContent = `${message}. Training begins again from the warmed-up weights.`;
  }

  function start(): void {
    if (worker) return;
    problem.textContent = '';
    status.textContent = 'Loading ONNX Runtime and the weights …';
    worker = new Worker(new URL('./sums-worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<FromSums>) => hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(`the worker ended (${event.message || 'it could not be loaded'})`);
    };
    tell({ kind: 'start', method: method.value as Method });
  }

  function draw(): void {
    if (steps > 0 && records.length >= steps) running = false;
    buttons();
    const record = records[Math.min(shown ?? records.length, records.length) - 1];
    if (!record) return;
    if (which.childElementCount === 0) {
      which.append(
        ...record.shown.map(({ prompt, answer }, i) =>
          element('option', { value: i }, `${prompt} ${answer}`),
        ),
      );
      which.disabled = false;
    }
    const { completions } = record.shown[Number(which.value)];
    const { selected } = tree;
    tree.group = { completions };
    tree.selected = selected;
    where.textContent = `step ${record.step} of ${steps}`;
    status.textContent = `${NAMES[method.value as Method]}, ${computing('wasm', threads)}: ${percent(record.success)} of the samples of step ${record.step} are right; of those below, ${completions.filter(({ reward }) => reward === 1).length} of ${completions.length}.`;
    plot.draw([
      {
        name: 'right',
        runs: ['sums'],
        x: records.map(({ step }) => step),
        mean: records.map(({ success }) => success),
      },
    ]);
  }

  train.addEventListener('click', () => {
    running = !running;
    shown = null;
    if (running) start();
    tell({ kind: 'until', step: running ? Number.MAX_SAFE_INTEGER : 0 });
    buttons();
  });
  single.addEventListener('click', () => {
    if (shown !== null && shown < records.length) {
      shown++;
      rewind.value = String(shown);
    } else {
      shown = null;
      start();
      tell({ kind: 'until', step: records.length + 1 });
    }
    redraw();
  });
  again.addEventListener('click', () => {
    stop();
    status.textContent = 'The next step is the first.';
  });
  which.addEventListener('change', redraw);
  rewind.addEventListener('input', () => {
    shown = Number(rewind.value);
    if (running) {
      running = false;
      tell({ kind: 'until', step: 0 });
    }
    redraw();
  });

  place.append(
    element('h2', { id: 'sums-title' }, 'Sums with a chain of thought'),
    element(
      'p',
      { class: 'lead' },
      'A model of 100 thousand weights writes sums column by column: 57+86= becomes 7+6=13;5+8+1=14;\\boxed{143}. A warm-up on written ' +
        'solutions taught it this form; most of these solutions forgot a carry, so the model forgets it too. From here on, a right ' +
        'answer earns a reward of 1, and nothing else does. The sums below are not trained on. Choose a completion to read it step by step.',
    ),
    element(
      'div',
      { class: 'controls' },
      element('label', {}, 'trained by', method),
      train,
      single,
      again,
      element('label', {}, 'sum', which),
    ),
    element('label', { class: 'rewind' }, 'Read step ', rewind, where),
    status,
    problem,
    tree,
    element(
      'div',
      { class: 'after-training' },
      element('h3', {}, 'Share of right answers among the samples of each step'),
      plot.element,
    ),
  );
  stop();
}
