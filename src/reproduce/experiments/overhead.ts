/**
 * The time for computing the λ weights (PAPER.md §5): seconds per token compared with the reference implementation, and
 * their growth.
 */
import type { Experiment, Places, Verdict } from '../experiment.js';
import { number, scientific, table } from '../markdown.js';
import { type Unit, unit } from '../unit.js';
import type { TimingFigures, TimingSpec } from '../work/index.js';

interface Settings {
  readonly group_sizes: readonly number[];
  readonly lengths: readonly number[];
  /** Mean intermediate proportion of the groups. */
  readonly proportion: number;
  readonly groups: number;
  readonly rounds: number;
}

export interface OverheadRow extends TimingFigures {
  readonly k: number;
  readonly n: number;
}

/** Required speed-up over the peer. */
const LESS = 10;
/** Allowed growth of the time per token from the smallest to the largest k, or n. */
const GROWTH = 2;

export const overhead: Experiment<Settings, readonly OverheadRow[]> = {
  name: 'overhead',
  title: 'What the λ weights cost',
  claim:
    'The weights cost 1.19e-7 s (k = 6) to 1.21e-7 s (k = 36) a token on a CPU, O(k²n): negligible (§5).',
  prediction:
    'Built from the tree they cost less than a tenth of the reference’s time at every size, and a token costs no more in ' +
    'larger groups or longer completions.',
  rule:
    `The peer is the reference implementation if a checkout is named, else the pairwise form in TypeScript. holds: at every (k, n) the tree takes at most ` +
    `1/${LESS} of the peer's time, and a token's time grows by at most ${GROWTH} times from the smallest to the largest k (at each n) and n (at each k). ` +
    'holds in part: one of the two. Else it does not hold here.',
  settings: ({ quick }) => ({
    group_sizes: quick ? [6, 36] : [6, 16, 36, 64],
    lengths: quick ? [500, 1000] : [500, 1000, 2000, 4000],
    proportion: 0.2,
    groups: quick ? 2 : 4,
    rounds: quick ? 3 : 11,
  }),
  units: (settings, places) => plan(settings, places),
  data: (settings, results, places) =>
    plan(settings, places).map((u): OverheadRow => {
      const { tree, pairwise, reference } = results.get(u);
      return {
        k: u.spec.k,
        n: u.spec.n,
        tree: Number(tree.toPrecision(4)),
        pairwise: Number(pairwise.toPrecision(4)),
        reference: reference && Number(reference.toPrecision(4)),
      };
    }),
  report(settings, rows) {
    const peers = rows.map((row) => peerOf(row) / row.tree);
    const ours = rows.map(({ tree }) => tree);
    const peer = rows[0].reference === null ? 'the pairwise form' : 'the reference implementation';
    return {
      verdict: overheadVerdict(rows),
      summary:
        `${scientific(Math.min(...ours))} to ${scientific(Math.max(...ours))} s a token, ${number(Math.min(...peers), 0)} to ` +
        `${number(Math.max(...peers), 0)} times less than ${peer}`,
      body: body(settings, rows),
      figures: {},
    };
  },
};

/** The rule. */
export function overheadVerdict(rows: readonly OverheadRow[]): Verdict {
  const less = rows.every((row) => peerOf(row) >= LESS * row.tree);
  const { k, n } = growths(rows, ({ tree }) => tree);
  const flat = Math.max(k, n) <= GROWTH;
  return less && flat ? 'holds' : less || flat ? 'holds in part' : 'does not hold here';
}

function peerOf({ reference, pairwise }: TimingFigures): number {
  return reference ?? pairwise;
}

/** The largest growth of the time per token from the smallest to the largest k, and n. */
function growths(
  rows: readonly OverheadRow[],
  seconds: (row: OverheadRow) => number,
): { k: number; n: number } {
  const along = (key: 'k' | 'n', fixed: 'k' | 'n'): number =>
    Math.max(
      ...[...new Set(rows.map((row) => row[fixed]))].map((value) => {
        const line = rows.filter((row) => row[fixed] === value).sort((a, b) => a[key] - b[key]);
        return seconds(line[line.length - 1]) / seconds(line[0]);
      }),
    );
  return { k: along('k', 'n'), n: along('n', 'k') };
}

function plan(settings: Settings, { reference, python }: Places): Unit<TimingSpec>[] {
  return settings.group_sizes.flatMap((k) =>
    settings.lengths.map((n) =>
      unit(
        `k ${k}, n ${n}`,
        {
          kind: 'timing',
          k,
          n,
          proportion: settings.proportion,
          groups: settings.groups,
          rounds: settings.rounds,
          reference: reference === undefined ? null : { folder: reference, python: python ?? 'python3' },
        },
        { cost: 1 + (k * n) / 5000, alone: true },
      ),
    ),
  );
}

function body(settings: Settings, rows: readonly OverheadRow[]): string {
  const withReference = rows[0].reference !== null;
  const header = ['k', 'n', 'tree, s/token', 'pairwise in TypeScript', 'pairwise / tree'];
  if (withReference) header.push('reference, PyTorch', 'reference / tree');
  const sides: [string, (row: OverheadRow) => number][] = [
    ['tree', ({ tree }) => tree],
    ['pairwise', ({ pairwise }) => pairwise],
  ];
  if (withReference) sides.push(['reference', ({ reference }) => reference as number]);
  return `Groups of k completions of about n tokens that share prefixes (mean intermediate proportion ${settings.proportion}); building the tree and writing
the weight of every token. Median of ${settings.rounds} rounds over ${settings.groups} groups, one thread, nothing else of ours running; all sides take the same groups${
    withReference
      ? ', the reference with its own `InfPRMTree(…).loss_scales()` on the CPU'
      : '. No checkout of the reference was named: the pairwise form, which compares all pairs at every prefix, stands in for it'
  }.

${table(
  header,
  rows.map((row) => [
    String(row.k),
    String(row.n),
    scientific(row.tree),
    scientific(row.pairwise),
    number(row.pairwise / row.tree, 0),
    ...(row.reference === null ? [] : [scientific(row.reference), number(row.reference / row.tree, 0)]),
  ]),
)}

How a token's time grows, at most, from the smallest to the largest size:

${table(
  ['', `k: ${ends(settings.group_sizes)}`, `n: ${ends(settings.lengths)}`],
  sides.map(([name, seconds]) => {
    const { k, n } = growths(rows, seconds);
    return [name, `× ${number(k, 2)}`, `× ${number(n, 2)}`];
  }),
)}

By pairs a group costs O(k²n), so a token O(k); by the tree only what branches is compared.`;
}

function ends(values: readonly number[]): string {
  return `${values[0]} to ${values[values.length - 1]}`;
}
