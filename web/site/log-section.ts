/**
 * Analysis of the reader's log in the page: files are dropped or chosen, read in a worker, and shown like the report of
 * `analyze`.
 */
import { element } from '../components/dom.js';
import { count, counted } from '../components/format.js';
import { logGroups } from '../components/log-groups.js';
import { chosenFiles, droppedFiles } from './chosen-files.js';
import example from './example.jsonl?url';
import { oncePerFrame } from './frames.js';
import { optionsForm } from './log-options.js';
import type { FromLog, LogFile, ToLog } from './log-worker.js';

/** What has been read, and the progress. */
interface Reading {
  readonly worker: Worker;
  readonly name: string;
  readonly total: number;
  readonly began: number;
  bytes: number;
  groups: number;
}

export function logSection(place: HTMLElement): void {
  let reading: Reading | null = null;
  /** The last files, to read them again with other options. */
  let files: readonly LogFile[] = [];
  const redraw = oncePerFrame(drawProgress);

  const input = element('input', { type: 'file', multiple: true, id: 'log-files', class: 'unseen' });
  const drop = element(
    'div',
    { class: 'drop' },
    input,
    element('label', { for: 'log-files' }, 'Choose files'),
    ' or drop files or a folder here',
  );
  const tryExample = element('button', { type: 'button' }, 'Try an example');
  const stop = element('button', { type: 'button', hidden: true }, 'Stop');
  const again = element('button', { type: 'button', hidden: true }, 'Read again');
  const without = element('button', { type: 'button', hidden: true }, 'Read without the bad rows');
  const form = optionsForm();
  const bar = element('progress', { 'aria-label': 'Bytes read', hidden: true });
  const status = element(
    'p',
    { class: 'status', role: 'status' },
    'JSONL, JSON and Parquet, plain, .gz or .zst.',
  );
  const problem = element('p', { class: 'problem', role: 'alert' });
  const result = element('div', { class: 'log' });

  function end(): void {
    reading?.worker.terminate();
    reading = null;
    stop.hidden = true;
    bar.hidden = true;
    again.hidden = files.length === 0;
  }

  function fail(message: string, rows = false): void {
    end();
    status.textContent = '';
    problem.textContent = message;
    without.hidden = !rows;
  }

  function read(chosen: readonly LogFile[], changes: Partial<ToLog['options']> = {}): void {
    end();
    files = chosen;
    problem.textContent = '';
    without.hidden = true;
    if (chosen.length === 0) {
      fail('expected a log (.jsonl, .json, .ndjson, .parquet), got none');
      return;
    }
    let options: ToLog['options'];
    try {
      options = { ...form.read(), ...changes };
    } catch (error) {
      fail((error as Error).message);
      return;
    }
    const worker = new Worker(new URL('./log-worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<FromLog>) => hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(
        `The worker that read the log ended (${event.message || 'the browser gave no reason; the file may be too large for its memory'}).`,
      );
    };
    reading = {
      worker,
      name: chosen.length === 1 ? chosen[0].path : `${chosen.length} files`,
      total: chosen.reduce((sum, { blob }) => sum + blob.size, 0),
      began: performance.now(),
      bytes: 0,
      groups: 0,
    };
    stop.hidden = false;
    again.hidden = true;
    bar.hidden = false;
    drawProgress();
    worker.postMessage({ files: chosen, options } satisfies ToLog);
  }

  function hear(message: FromLog): void {
    if (!reading) return;
    if (message.kind === 'fault') fail(message.message, message.rows);
    else if (message.kind === 'progress') {
      Object.assign(reading, { bytes: message.bytes, groups: message.groups });
      redraw();
    } else show(message, reading);
  }

  function drawProgress(): void {
    if (!reading) return;
    const { name, total, bytes, groups, began } = reading;
    bar.max = Math.max(1, total);
    if (bytes > 0) bar.value = bytes;
    else bar.removeAttribute('value');
    const rate = bytes / 1e6 / ((performance.now() - began) / 1000);
    const far = `${megabytes(bytes)} of ${megabytes(total)} MB, ${rate.toFixed(0)} MB/s`;
    status.textContent = `Reading ${name}: ${far}, ${counted(groups, 'group')}`;
  }

  function show(
    { data, figures, tokens, skipped }: FromLog & { kind: 'done' },
    { name, total, began }: Reading,
  ): void {
    const seconds = (performance.now() - began) / 1000;
    end();
    const group = element('section', { id: 'log-group', 'aria-labelledby': 'log-group-title', hidden: true });
    const { lead, table } = logGroups(data, group, 4);
    const shown = element('div', { class: 'log-figures' });
    // Our own markup: text from the log is escaped.
    shown.innerHTML = figures;
    result.replaceChildren(
      shown,
      element('h3', {}, 'Groups'),
      element('p', { class: 'lead' }, lead),
      table,
      group,
    );
    const left = skipped > 0 ? `; ${counted(skipped, 'row')} left out, see the notes` : '';
    status.textContent =
      `${name}: ${counted(data.total, 'group')}, ${count(tokens)} tokens, ${megabytes(total)} MB in ${seconds.toFixed(1)} s ` +
      `(${(total / 1e6 / seconds).toFixed(0)} MB/s)${left}.`;
    place.dataset.groups = String(data.total);
  }

  input.addEventListener('change', () => {
    const chosen = chosenFiles(input.files ?? []);
    // Allows choosing the same file again.
    input.value = '';
    if (chosen.length > 0) read(chosen);
  });
  for (const name of ['dragenter', 'dragover'])
    place.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
  for (const name of ['dragleave', 'drop']) place.addEventListener(name, () => drop.classList.remove('over'));
  place.addEventListener('drop', (event) => {
    event.preventDefault();
    if (!event.dataTransfer) return;
    droppedFiles(event.dataTransfer).then(read, (error: Error) => fail(error.message));
  });
  tryExample.addEventListener('click', () => {
    fetch(example)
      .then(async (response) => {
        if (!response.ok) throw new Error(`the example: the host answered ${response.status}`);
        read([{ blob: await response.blob(), path: 'example.jsonl' }]);
      })
      .catch((error: Error) => fail(error.message));
  });
  stop.addEventListener('click', () => {
    end();
    status.textContent = 'Stopped.';
  });
  again.addEventListener('click', () => read(files));
  without.addEventListener('click', () => read(files, { skipBad: true }));

  place.append(
    element('h2', { id: 'log-title' }, 'Your log in the page'),
    element(
      'p',
      { class: 'lead' },
      'How much of this happens in your own training? Give the page a rollout log of TRL, verl, prime-rl, SkyRL, slime, ART, NeMo, ' +
        'tinker-cookbook or verifiers, or any file of rows with a prompt, a completion and a reward. It is read here; nothing leaves your machine.',
    ),
    drop,
    element('div', { class: 'controls' }, tryExample, stop, again, without),
    form.element,
    bar,
    status,
    problem,
    result,
  );
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);
