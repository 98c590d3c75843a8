/**
 * Groups that do not match their ids: several prompts under one id (split by the reader, `splitMerged`), and one
 * prompt under several ids within a step. In both cases a trainer that groups by id compares a completion with the
 * wrong ones.
 */
import { groupAdvantages } from '../../objective/index.js';
import type { Group } from '../../rollouts/index.js';
import type { MergedFigures, SplitFigures } from './figures.js';

/** Difference between the given advantages and the correct ones. */
class Shift {
  private sum = 0;
  private count = 0;
  flipped = 0;

  add(inUse: ArrayLike<number>, right: ArrayLike<number>): void {
    for (let i = 0; i < inUse.length; i++) {
      this.sum += Math.abs(inUse[i] - right[i]);
      this.count++;
      if (inUse[i] * right[i] < 0) this.flipped++;
    }
  }

  merge(other: Shift): void {
    this.sum += other.sum;
    this.count += other.count;
    this.flipped += other.flipped;
  }

  get mean(): number {
    return this.count > 0 ? this.sum / this.count : 0;
  }
}

/**
 * Advantages over all completions of an id, computed once for all of its groups: an id may have as many prompts as a
 * log has rows.
 */
const overIds = new WeakMap<Float64Array, Float64Array>();

function advantagesOver(rewards: Float64Array): Float64Array {
  let advantages = overIds.get(rewards);
  if (!advantages) {
    advantages = groupAdvantages(rewards);
    overIds.set(rewards, advantages);
  }
  return advantages;
}

export class MergedSums {
  private readonly ids = new Set<string>();
  private prompts = 0;
  private completions = 0;
  private readonly shift = new Shift();

  add({ merged, completions, step, source }: Group, advantages: ArrayLike<number>): void {
    if (!merged) return;
    this.ids.add(JSON.stringify([source?.label, step, merged.id]));
    this.prompts++;
    this.completions += completions.length;
    const { rewards, from } = merged;
    this.shift.add(advantagesOver(rewards).subarray(from, from + completions.length), advantages);
  }

  /** Adds the sums of another instance. */
  merge(other: MergedSums): void {
    for (const id of other.ids) this.ids.add(id);
    this.prompts += other.prompts;
    this.completions += other.completions;
    this.shift.merge(other.shift);
  }

  figures(): MergedFigures {
    const { prompts, completions, shift } = this;
    return { ids: this.ids.size, prompts, completions, shift: shift.mean, flipped: shift.flipped };
  }
}

/** Prompts that are remembered, of all steps. */
const PROMPTS = 1 << 16;

/**
 * Compares the groups of each step; groups of a step need not follow each other. A prompt is identified by its tokens or its text.
 * Of a log with more prompts than are remembered, the steps that were seen last are.
 */
export class SplitSums {
  /** Rewards of each group, by step and prompt; the step that was seen last comes last. */
  private readonly steps = new Map<string, Map<string, number[][]>>();
  private remembered = 0;
  private readonly done = new SplitTotals();

  add({ prompt, completions, step, source, tokens }: Group): void {
    // Ids of text units differ from group to group, so the text is used.
    const key = tokens === 'text-units' ? digest(codeUnits(prompt.text ?? '')) : digest(prompt.tokens);
    if (key === '') return;
    const rewards = completions.map(({ reward }) => reward);
    this.take(JSON.stringify([source?.label ?? null, step]), key, [rewards]);
  }

  /** Adds what another instance has seen. Groups of a step that both still remember are combined. */
  merge(other: SplitSums): void {
    this.done.merge(other.done);
    for (const [at, prompts] of other.steps) for (const [key, groups] of prompts) this.take(at, key, groups);
  }

  private take(at: string, prompt: string, rewards: readonly number[][]): void {
    const known = this.steps.get(at) ?? new Map<string, number[][]>();
    this.steps.delete(at);
    this.steps.set(at, known);
    const groups = known.get(prompt);
    if (groups) {
      groups.push(...rewards);
      return;
    }
    while (this.remembered >= PROMPTS && this.steps.size > 1) this.forgetOldest();
    // A step that alone has more prompts: the rest of them are not compared.
    if (this.remembered >= PROMPTS) return;
    known.set(prompt, [...rewards]);
    this.remembered++;
  }

  /** Counts the groups of the step that was not seen for the longest time. */
  private forgetOldest(): void {
    const [oldest, prompts] = this.steps.entries().next().value as [string, Map<string, number[][]>];
    for (const groups of prompts.values()) this.done.add(groups);
    this.steps.delete(oldest);
    this.remembered -= prompts.size;
  }

  /** Figures of all groups so far; more may be added. */
  figures(): SplitFigures {
    const totals = new SplitTotals();
    totals.merge(this.done);
    for (const known of this.steps.values()) for (const groups of known.values()) totals.add(groups);
    return totals.figures();
  }
}

class SplitTotals {
  private readonly counts = { prompts: 0, groups: 0, completions: 0, singletons: 0 };
  private readonly shift = new Shift();

  /** @param groups rewards of each group of one prompt */
  add(groups: readonly (readonly number[])[]): void {
    if (groups.length < 2) return;
    this.counts.prompts++;
    this.counts.groups += groups.length;
    const together = groupAdvantages(groups.flat());
    let from = 0;
    for (const rewards of groups) {
      this.counts.completions += rewards.length;
      this.counts.singletons += Number(rewards.length === 1);
      this.shift.add(groupAdvantages(rewards), together.subarray(from, from + rewards.length));
      from += rewards.length;
    }
  }

  merge({ counts, shift }: SplitTotals): void {
    this.counts.prompts += counts.prompts;
    this.counts.groups += counts.groups;
    this.counts.completions += counts.completions;
    this.counts.singletons += counts.singletons;
    this.shift.merge(shift);
  }

  figures(): SplitFigures {
    return { ...this.counts, shift: this.shift.mean, flipped: this.shift.flipped };
  }
}

function codeUnits(text: string): Int32Array {
  const codes = new Int32Array(text.length);
  for (let i = 0; i < codes.length; i++) codes[i] = text.charCodeAt(i);
  return codes;
}

/** Two 32-bit hashes and the length; empty without tokens. */
function digest(tokens: Int32Array): string {
  if (tokens.length === 0) return '';
  let [a, b] = [0x811c9dc5 | 0, 0];
  for (const token of tokens) {
    a = Math.imul(a ^ token, 0x01000193);
    b = (Math.imul(b, 0x9e3779b1) + token) ^ (b >>> 15);
  }
  return `${tokens.length}:${a}:${b}`;
}
