/** The rollout log of lambda-grpo: one group per line. */
import { groupOf } from '../own.js';
import type { Format } from './format.js';

export const native: Format = {
  name: 'own',
  uses: [],
  within: /([\\/]rollouts)?[\\/][^\\/]+$/,
  open: ({ path }) => ({
    by: 'row',
    group: (row, { line, where }) => ({
      ...groupOf(row, where),
      source: { file: path, line, format: 'own' },
    }),
  }),
};
