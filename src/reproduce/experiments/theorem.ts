/**
 * The theorem (PAPER.md §2) in numbers: where GRPO, the PRM objective and the packed tree are equal, and where they are
 * not.
 */
import type { Normalisation } from '../../objective/index.js';
import type { Experiment, Verdict } from '../experiment.js';
import { scientific, table } from '../markdown.js';
import { type Unit, unit } from '../unit.js';
import type { TheoremFigures, TheoremSpec } from '../work/index.js';

interface Settings {
  readonly groups_per_setting: number;
  readonly groups_per_unit: number;
  readonly seed: number;
  readonly bound: number;
}

/** The deviations of one setting, over all its groups. */
export interface TheoremRow {
  readonly normalisation: Normalisation;
  readonly klBeta: number;
  readonly clipped: boolean;
  readonly ratio: 'token' | 'sequence';
  readonly groups: number;
  readonly tree: Spread | null;
  readonly prm: Spread;
  readonly weighted: Spread;
  readonly lambda: Spread | null;
}

interface Spread {
  readonly median: number;
  readonly largest: number;
}

/** Largest relative deviation that counts as equal: float32 sums in different orders. */
const BOUND = 1e-4;
/** Smallest median deviation that counts as "does not hold". */
const APART = 1e-2;

export const theorem: Experiment<Settings, readonly TheoremRow[]> = {
  name: 'theorem',
  title: 'GRPO is a process reward model: the identity through a transformer',
  claim:
    'With token-level normalisation and μ = 1, GRPO and the PRM objective have the same value and gradient (§2, theorem).',
  prediction:
    'The identity holds to rounding, and beyond the paper: the packed tree with A⁺ and A⁻ equals GRPO for every ' +
    'normalisation, with KL and with clipping at μ > 1. The plain mean as step advantage ends with sequence ' +
    'normalisation (the weighted mean takes over) and with clipping; everything ends with a sequence-level ratio.',
  rule:
    `holds: the largest relative deviation (the larger of loss and gradient) is at most ${BOUND} for the packed tree in every setting with ` +
    'a token-level ratio, for the plain PRM form at μ = 1 with token and constant normalisation, for the weighted one at μ = 1 with ' +
    `sequence normalisation; and with a sequence-level ratio the median is above ${APART}. holds in part: the first three for the paper’s own ` +
    'setting (token normalisation, μ = 1, ratio of each token). Else it does not hold here.',
  settings: ({ quick }) => ({
    groups_per_setting: quick ? 4 : 400,
    groups_per_unit: quick ? 4 : 100,
    seed: 0,
    bound: BOUND,
  }),
  units: (settings) => settingUnits(settings).flatMap(({ units }) => units),
  data: (settings, results) =>
    settingUnits(settings).map(({ setting, units }): TheoremRow => {
      const parts = units.map((u) => results.get(u));
      const all = (key: keyof TheoremFigures): number[] => parts.flatMap((part) => part[key]);
      return {
        ...setting,
        groups: all('prm').length,
        tree: setting.ratio === 'token' ? spread(all('tree')) : null,
        prm: spread(all('prm')),
        weighted: spread(all('weighted')),
        lambda: setting.ratio === 'token' ? spread(all('lambda')) : null,
      };
    }),
  report(_settings, rows) {
    const groups = rows.reduce((n, row) => n + row.groups, 0);
    const worst = Math.max(...rows.flatMap(({ tree }) => tree?.largest ?? []));
    return {
      verdict: theoremVerdict(rows),
      summary: `${groups} random groups; the packed tree and GRPO on padded sequences differ by at most ${scientific(worst)}, relatively`,
      body: body(rows),
      figures: {},
    };
  },
};

/** The rule. */
export function theoremVerdict(rows: readonly TheoremRow[]): Verdict {
  const equal = (s: Spread | null): boolean => s !== null && s.largest <= BOUND;
  const token = rows.filter(({ ratio }) => ratio === 'token');
  const holds = (row: TheoremRow): boolean =>
    equal(row.tree) && (row.clipped || equal(row.normalisation === 'sequence' ? row.weighted : row.prm));
  const tokenRows = token.filter(({ normalisation, clipped }) => normalisation === 'token' && !clipped);
  const ends = rows.filter(({ ratio }) => ratio === 'sequence').every(({ prm }) => prm.median > APART);
  if (token.every(holds) && ends) return 'holds';
  return tokenRows.every(holds) ? 'holds in part' : 'does not hold here';
}

type Kind = Pick<TheoremSpec, 'normalisation' | 'klBeta' | 'clipped' | 'ratio'>;

function settingUnits(settings: Settings): { setting: Kind; units: Unit<TheoremSpec>[] }[] {
  const kinds: Kind[] = [];
  for (const normalisation of ['token', 'sequence', 'constant'] as const) {
    for (const klBeta of [0, 0.3])
      for (const clipped of [false, true]) kinds.push({ normalisation, klBeta, clipped, ratio: 'token' });
  }
  for (const normalisation of ['token', 'sequence'] as const)
    kinds.push({ normalisation, klBeta: 0, clipped: false, ratio: 'sequence' });
  return kinds.map((setting) => ({
    setting,
    units: Array.from({ length: settings.groups_per_setting / settings.groups_per_unit }, (_, part) =>
      unit(
        `theorem ${setting.normalisation}`,
        { kind: 'theorem', ...setting, groups: settings.groups_per_unit, seed: settings.seed + part },
        { cost: settings.groups_per_unit },
      ),
    ),
  }));
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], largest: sorted[sorted.length - 1] };
}

function body(rows: readonly TheoremRow[]): string {
  const cell = (s: Spread | null): string =>
    s === null
      ? 'no tree'
      : s.largest <= BOUND
        ? scientific(s.largest)
        : `**${scientific(s.largest)}** (median ${scientific(s.median)})`;
  return `Largest relative deviation from GRPO on k padded sequences, over random groups of 2 to 8 completions that share prefixes,
through a transformer of 2 layers × 16 with weights far from 0. Bold: above ${BOUND}, not equal.

${table(
  [
    'normalisation',
    'ratio',
    'β',
    'μ',
    'groups',
    'packed tree',
    'PRM, plain mean',
    'PRM, weighted mean',
    'λ-GRPO: tree against padded × 1/|λ|',
  ],
  rows.map((row) => [
    row.normalisation,
    row.ratio === 'token' ? 'each token' : 'sequence (GSPO)',
    String(row.klBeta),
    row.clipped ? '> 1, clipped' : '1',
    String(row.groups),
    cell(row.tree),
    cell(row.prm),
    cell(row.weighted),
    cell(row.lambda),
  ]),
)}

Where it ends. Under sequence normalisation the members of a step have unequal weights, so the plain mean is not its
advantage: the weighted mean is. Under clipping a step needs two numbers, A⁺ and A⁻, not one mean; the packed tree has
them. A ratio of the whole sequence is no function of the prefix, and nothing is shared any more.`;
}
