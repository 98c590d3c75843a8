/**
 * Reads a group from JSON for `<process-tree>`: a line of our rollout log, or a prompt with completions that have a
 * text and a reward. An error names the wrong key.
 */
import { analyzeGroup } from '../../src/analysis/analyze-group.js';
import { type TreeView, treeView } from '../../src/analysis/tree-view.js';
import { pieceOf } from '../../src/rollouts/pieces.js';
import { textUnits } from '../../src/rollouts/text-units.js';

export interface CompletionJson {
  /**
   * Token ids (`pieces` holds their texts), or the texts of the tokens. Absent: `text` is split into words and
   * punctuation marks.
   */
  readonly tokens?: readonly number[] | readonly string[];
  readonly text?: string;
  /** A finite number. */
  readonly reward: number;
}

export interface GroupJson {
  readonly completions: readonly CompletionJson[];
  /** Text of each token id. */
  readonly pieces?: Readonly<Record<string, string>>;
  /** How the run judged the completions, [k] each; absent: advantages are computed from the rewards as in the paper. */
  readonly judged?: { readonly advantages: readonly number[]; readonly weights?: readonly number[] } | null;
}

/** JSON that is not a group. */
export class GroupJsonError extends Error {
  override name = 'GroupJsonError';
}

/** The data of the picture. @throws GroupJsonError naming the key */
export function viewOfGroup(value: unknown): TreeView {
  const group = object(value, 'the group');
  if (!Array.isArray(group.completions) || group.completions.length === 0)
    fail('completions', group.completions, 'a list of at least one completion');
  const entries = (group.completions as unknown[]).map((entry, i) => object(entry, `completions[${i}]`));
  const rewards = entries.map(({ reward }, i) => number(reward, `completions[${i}].reward`));
  const pieces =
    group.pieces === undefined ? null : (object(group.pieces, 'pieces') as Record<number, string>);
  const { ids, texts } = tokensOf(entries);
  const names = texts ?? pieces;
  const analysis = analyzeGroup(
    { completions: ids.map((tokens, i) => ({ tokens, reward: rewards[i] })) },
    { asTrained: judgedOf(group.judged, rewards.length) },
  );
  return treeView(analysis, {
    tokenText: (id) => pieceOf(names ?? undefined, id),
    separator: names ? '' : ' ',
    longest: Number.POSITIVE_INFINITY,
  });
}

/** Token ids of each completion, and the texts of the ids if the completions hold them. */
function tokensOf(entries: readonly Record<string, unknown>[]): {
  ids: Int32Array[];
  texts: Record<number, string> | null;
} {
  const lists = entries.flatMap(({ tokens }) => (Array.isArray(tokens) ? [tokens as unknown[]] : []));
  const filled = lists.filter(({ length }) => length > 0);
  if (filled.some(([first]) => typeof first !== 'string') || (filled.length === 0 && lists.length > 0)) {
    const ids = entries.map(({ tokens }, i) => {
      const key = `completions[${i}].tokens`;
      if (!Array.isArray(tokens)) fail(key, tokens, 'a list of token ids, like the other completions');
      const list = tokens as unknown[];
      const bad = list.findIndex((id) => !Number.isInteger(id) || Math.abs(id as number) >= 2 ** 31);
      if (bad >= 0) fail(`${key}[${bad}]`, list[bad], 'a token id, a whole number');
      return Int32Array.from(list as number[]);
    });
    return { ids, texts: null };
  }
  const texts: Record<number, string> = {};
  const known = new Map<string, number>();
  const ids = entries.map(({ tokens, text }, i) => {
    const key = `completions[${i}]`;
    const units = tokens ?? (typeof text === 'string' ? textUnits(text) : undefined);
    if (!Array.isArray(units)) fail(key, entries[i], 'tokens, a list, or text');
    return Int32Array.from(units as unknown[], (unit, t) => {
      if (typeof unit !== 'string') fail(`${key}.tokens[${t}]`, unit, 'a string, like the tokens before it');
      let id = known.get(unit as string);
      if (id === undefined) {
        id = known.size;
        known.set(unit as string, id);
        texts[id] = unit as string;
      }
      return id;
    });
  });
  return { ids, texts };
}

function judgedOf(value: unknown, k: number): { advantages: number[]; weights: number[] } | null {
  if (value === undefined || value === null) return null;
  const judged = object(value, 'judged');
  const list = (key: 'advantages' | 'weights'): number[] => {
    const values = judged[key];
    if (!Array.isArray(values) || values.length !== k)
      fail(`judged.${key}`, values, `${k} numbers, one for each completion`);
    return (values as unknown[]).map((entry, i) => number(entry, `judged.${key}[${i}]`));
  };
  return {
    advantages: list('advantages'),
    weights: judged.weights === undefined ? Array.from({ length: k }, () => 1) : list('weights'),
  };
}

function object(value: unknown, key: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(key, value, 'an object');
  return value as Record<string, unknown>;
}

function number(value: unknown, key: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) fail(key, value, 'a finite number');
  return value as number;
}

function fail(key: string, value: unknown, expected: string): never {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  throw new GroupJsonError(
    `${key}: expected ${expected}, got ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`,
  );
}
