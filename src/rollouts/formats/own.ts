/** Our own rollout log: a line is a group. */
import { groupOf } from '../own.js';
import type { Format } from './format.js';

export const own: Format = {
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
