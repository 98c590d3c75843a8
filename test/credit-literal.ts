/**
 * The published credit rules as literal loops over completions and prefixes, without a tree. The value of a
 * completion's copy of a token follows from which completions share which prefixes. Used as an independent peer in
 * tests.
 */
export type Tokens = readonly number[];

export interface LiteralGroup {
  readonly completions: readonly Tokens[];
  readonly rewards: readonly number[];
  /** aᵢ. */
  readonly advantages: readonly number[];
}

/** Numbers of the completions that begin with the first n tokens of completion i. */
export function sharing({ completions }: LiteralGroup, i: number, n: number): number[] {
  return completions.flatMap((other, j) => {
    if (other.length < n) return [];
    for (let t = 0; t < n; t++) if (other[t] !== completions[i][t]) return [];
    return [j];
  });
}

const equal = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, place) => value === b[place]);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Where token t of completion i stands. */
interface Place {
  /** λ: those who share the prefix with the token. */
  readonly members: readonly number[];
  /** Those who share the prefix before the step of the token; null in the root's step. */
  readonly before: readonly number[] | null;
  /** Tokens before the step. */
  readonly start: number;
}

function placeOf(group: LiteralGroup, i: number, t: number): Place {
  const members = sharing(group, i, t + 1);
  if (members.length === group.completions.length) return { members, before: null, start: 0 };
  let start = t;
  while (start > 0 && equal(sharing(group, i, start), members)) start--;
  return { members, before: sharing(group, i, start), start };
}

/** Mean advantage of completions. */
const value = ({ advantages }: LiteralGroup, members: readonly number[]): number =>
  mean(members.map((i) => advantages[i]));

/** Those who share the first n tokens of completion i, parted by their next token; those who end are a part too. */
function parts(group: LiteralGroup, i: number, n: number): number[][] {
  const byNext = new Map<number | 'end', number[]>();
  for (const j of sharing(group, i, n)) {
    const next = group.completions[j].length > n ? group.completions[j][n] : 'end';
    byNext.set(next, [...(byNext.get(next) ?? []), j]);
  }
  return [...byNext.values()];
}

/** Where the whole group stops agreeing. */
function common({ completions }: LiteralGroup): number {
  let n = 0;
  while (completions.every((tokens) => tokens.length > n && tokens[n] === completions[0][n])) n++;
  return n;
}

/** (r − mean) / (unbiased std + 1e-4) within some completions; 0 without variance. */
function zScore({ rewards }: LiteralGroup, i: number, members: readonly number[]): number {
  const among = members.map((j) => rewards[j]);
  if (among.every((r) => Math.abs(r - among[0]) <= 1e-12 * Math.max(1, Math.abs(r)))) return 0;
  const average = mean(among);
  const squares = among.reduce((sum, r) => sum + (r - average) ** 2, 0);
  return (rewards[i] - average) / (Math.sqrt(squares / (among.length - 1)) + 1e-4);
}

/** Advantage and factor of token t in completion i. */
export type LiteralRule = (
  group: LiteralGroup,
  i: number,
  t: number,
) => { advantage: number; factor: number };

const grpo =
  (power: number): LiteralRule =>
  (group, i, t) => ({
    advantage: group.advantages[i],
    factor: sharing(group, i, t + 1).length ** -power,
  });

const treeRl =
  (power: number, withParent: boolean): LiteralRule =>
  (group, i, t) => {
    const { members, before } = placeOf(group, i, t);
    const everyone = group.completions.map((_, j) => j);
    let step = value(group, members) - value(group, everyone);
    if (withParent && before) step += value(group, members) - value(group, before);
    return { advantage: step / members.length ** power, factor: 1 };
  };

const treeGrpo: LiteralRule = (group, i) => {
  const n = common(group);
  const top = parts(group, i, n).find((part) => part.includes(i)) as number[];
  return { advantage: group.advantages[i] + zScore(group, i, top), factor: 1 };
};

const treePo: LiteralRule = (group, i) => {
  const { completions, advantages } = group;
  // Those who wrote just what i wrote are its leaf, which is no subgroup unless it is everyone.
  const same = completions.flatMap((tokens, j) => (equal(tokens, completions[i]) ? [j] : []));
  const subgroups: number[][] = [];
  for (let n = 0; n <= completions[i].length; n++) {
    const members = sharing(group, i, n);
    if (equal(members, same) && members.length < completions.length) continue;
    if (!subgroups.some((other) => equal(other, members))) subgroups.push(members);
  }
  return { advantage: mean(subgroups.map((members) => advantages[i] - value(group, members))), factor: 1 };
};

const spoTree =
  (standardised: boolean): LiteralRule =>
  (group, i, t) => {
    const { members, before, start } = placeOf(group, i, t);
    const factor = 1 / members.length;
    if (!before) return { advantage: 0, factor };
    const gain = value(group, members) - value(group, before);
    if (!standardised) return { advantage: gain, factor };
    // Each completion stands for the value of the branch that it took.
    const values = before.map((j) =>
      value(group, parts(group, i, start).find((part) => part.includes(j)) as number[]),
    );
    const std = Math.sqrt(mean(values.map((v) => (v - value(group, before)) ** 2)));
    const scale = mean(before.map((j) => Math.abs(group.advantages[j])));
    return { advantage: std <= 1e-9 * scale ? 0 : gain / (std + 1e-8), factor };
  };

const treeRpo: LiteralRule = (group, i, t) => {
  const { members, before, start } = placeOf(group, i, t);
  const factor = 1 / members.length;
  if (!before) return { advantage: 0, factor };
  const siblings = parts(group, i, start).map((part) => value(group, part));
  return { advantage: value(group, members) - mean(siblings), factor };
};

const gtpo: LiteralRule = (group, i, t) => {
  const { advantages } = group;
  const members = sharing(group, i, t + 1);
  const isMixed = members.some((j) => advantages[j] > 0) && members.some((j) => advantages[j] < 0);
  const a = advantages[i];
  return { advantage: isMixed ? (a > 0 ? 2 * a : 0) : a, factor: 1 };
};

/** As its released code goes: token by token, from those who agree so far to those who agree with this one too. */
const tempo: LiteralRule = (group, i, t) => {
  const before = sharing(group, i, t);
  const after = sharing(group, i, t + 1);
  const change = before.length === after.length ? 0 : value(group, after) - value(group, before);
  return { advantage: group.advantages[i] + change, factor: 1 };
};

export const LITERAL: Readonly<Record<string, LiteralRule>> = {
  grpo: grpo(0),
  'lambda-grpo': grpo(1),
  'lambda-0.5': grpo(0.5),
  treerl: treeRl(0.5, true),
  'treerl-n': treeRl(1, true),
  'treerl-1': treeRl(0, true),
  'treerl-root': treeRl(0.5, false),
  'treerl-root-n': treeRl(1, false),
  'treerl-root-1': treeRl(0, false),
  'tree-grpo': treeGrpo,
  treepo: treePo,
  'spo-tree': spoTree(false),
  'spo-tree-std': spoTree(true),
  treerpo: treeRpo,
  gtpo,
  tempo,
};
