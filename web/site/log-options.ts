/** Options for reading a log, as in `lambda-grpo analyze`, for logs of unknown format or without group ids. */
import { FORMAT_NAMES, type FormatName } from '../../src/rollouts/group.js';
import { element } from '../components/dom.js';
import type { LogOptions } from './log-worker.js';

const KEYS = ['prompt', 'completion', 'tokens', 'reward', 'group', 'step', 'mask'] as const;

export interface OptionsForm {
  readonly element: HTMLElement;
  /** @throws Error that names the option */
  read(): LogOptions;
}

export function optionsForm(): OptionsForm {
  const format = element(
    'select',
    {},
    element('option', { value: '' }, 'as detected'),
    ...FORMAT_NAMES.map((name) => element('option', { value: name }, name)),
  );
  const field = (): HTMLInputElement => element('input', { type: 'text', size: 12, spellcheck: 'false' });
  const keys = new Map(KEYS.map((name) => [name, field()]));
  const size = element('input', { type: 'text', size: 4, inputmode: 'numeric' });
  const weights = element('input', {
    type: 'text',
    size: 18,
    placeholder: 'name=1 other=0',
    spellcheck: 'false',
  });
  const box = (): HTMLInputElement => element('input', { type: 'checkbox' });
  const [skipBad, splitMerged] = [box(), box()];
  return {
    element: element(
      'details',
      {},
      element('summary', {}, 'How it is read'),
      element(
        'p',
        { class: 'lead' },
        'The options of lambda-grpo analyze. A known format is detected. For any other log of rows, say under which keys a row has its ' +
          'prompt, completion and reward: a.b is b within a, a.0 the first of a list.',
      ),
      element(
        'div',
        { class: 'controls' },
        element('label', {}, 'format', format),
        ...[...keys].map(([name, input]) => element('label', {}, `${name} key`, input)),
        element('label', {}, 'group size', size),
        element('label', {}, 'reward weights', weights),
        element('label', {}, skipBad, 'leave out bad rows'),
        element('label', {}, splitMerged, 'split merged groups'),
      ),
    ),
    read: () => {
      const named = [...keys].flatMap(([name, { value }]) => (value.trim() ? [[name, value.trim()]] : []));
      return {
        ...(format.value === '' ? {} : { format: format.value as FormatName }),
        ...(named.length > 0 ? { keys: Object.fromEntries(named) } : {}),
        ...(size.value.trim() === '' ? {} : { groupSize: groupSize(size.value.trim()) }),
        ...(weights.value.trim() === '' ? {} : { rewardWeights: weightsOf(weights.value.trim()) }),
        skipBad: skipBad.checked,
        splitMerged: splitMerged.checked,
      };
    },
  };
}

function groupSize(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Error(`group size: expected a whole number from 1, got ${text}`);
}

function weightsOf(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(/[\s,]+/).map((part) => {
      const [, name, weight] = /^(.+)=([-+]?[\d.]+(?:e[-+]?\d+)?)$/i.exec(part) ?? [];
      if (name === undefined || !Number.isFinite(Number(weight)))
        throw new Error(`reward weights: expected name=weight, got ${part}`);
      return [name, Number(weight)];
    }),
  );
}
