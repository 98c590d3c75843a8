/**
 * One completion as read from a log, not yet grouped, and the conversion of a list of samples to a Group: with the
 * log's token ids if every sample has them, else with the caller's tokenizer, else with text units.
 */
import { Digest } from './digest.js';
import type { Completion, FormatName, Group, GroupSource } from './group.js';
import { UnitTable } from './text-units.js';

export interface Part {
  readonly text: string;
  /** Whether the model wrote it; otherwise it was given to the model during its answer (a tool's result, say). */
  readonly sampled: boolean;
}

export interface Sample {
  /** The group id in the log; absent: none. */
  readonly group?: string;
  readonly step: number | null;
  /** File of the line, if a log has several; absent: that of the context. */
  readonly file?: string;
  /** Line of the file, from 1 (in Parquet: row). */
  readonly line: number;
  readonly prompt: {
    readonly tokens?: Int32Array;
    /** Its text, in pieces (messages) if the log has it in this form; joined they are the prompt. */
    readonly parts?: readonly string[];
  };
  /** Values that the rows of one group share besides the prompt, such as the reference answer. */
  readonly task?: string;
  readonly tokens?: Int32Array;
  readonly mask?: Uint8Array;
  readonly logprobs?: Float32Array;
  /** As in a Completion. */
  readonly trainerLogprobs?: Float32Array;
  readonly entropies?: Float32Array;
  /** The completion's text. */
  readonly parts?: readonly Part[];
  readonly reward: number;
  readonly rewards?: Readonly<Record<string, number>>;
  readonly advantage?: number;
  readonly stop?: 'stop' | 'length';
  readonly versions?: readonly number[];
}

/** Context that is the same for all groups of one file. */
export interface GroupContext {
  readonly file: string;
  readonly format: FormatName;
  readonly tokenizer?: (text: string) => Int32Array;
}

/** A short digest of what must be equal within a group: prompt and task. */
export function identityOf({ prompt, task }: Sample): string {
  // A text beside token ids is redundant, so it is only used without token ids.
  if (prompt.tokens?.length && task === undefined) return digestOfTokens(prompt.tokens);
  const digest = new Digest();
  if (prompt.tokens?.length) digest.add(digestOfTokens(prompt.tokens));
  else for (const part of prompt.parts ?? []) digest.add(part);
  return digest
    .add('')
    .add(task ?? '')
    .toString();
}

/** Two 32-bit hashes (FNV-1a, and a multiplicative one) and the length: faster than sha1 for a value in every row. */
function digestOfTokens(tokens: Int32Array): string {
  let a = 0x811c9dc5 | 0;
  let b = 0;
  for (let i = 0; i < tokens.length; i++) {
    a = Math.imul(a ^ tokens[i], 0x01000193);
    b = (Math.imul(b, 0x9e3779b1) + tokens[i]) ^ (b >>> 15);
  }
  return `${tokens.length}:${a}:${b}`;
}

/** The group of at least one sample; if prompts differ, the prompt is their common beginning. */
export function groupOfSamples(
  samples: readonly Sample[],
  id: string,
  groups: GroupSource,
  { file, format, tokenizer }: GroupContext,
): Group {
  const exact = samples.every(({ tokens, prompt }) => tokens && prompt.tokens);
  const completions = exact ? fromTokens(samples) : fromTexts(samples, tokenizer);
  return {
    id,
    step: samples[0].step,
    ...completions,
    tokens: exact ? 'exact' : tokenizer ? 'retokenized' : 'text-units',
    groups,
    source: {
      file: samples[0].file ?? file,
      line: samples
        .filter((sample) => sample.file === samples[0].file)
        .reduce((least, { line }) => Math.min(least, line), samples[0].line),
      format,
    },
  };
}

function fromTokens(samples: readonly Sample[]): Pick<Group, 'prompt' | 'completions'> {
  const shared = commonLength(samples.map(({ prompt }) => prompt.tokens!));
  const { tokens, parts } = samples[0].prompt;
  const completions = samples.map((sample): Completion => {
    const promptTail = sample.prompt.tokens!.subarray(shared);
    const text = sample.parts && textOf(sample.parts);
    return {
      tokens: joined(Int32Array, [promptTail, sample.tokens!]),
      ...(text === undefined ? {} : { text }),
      ...(sample.logprobs
        ? { logprobs: joined(Float32Array, [new Float32Array(promptTail.length), sample.logprobs]) }
        : {}),
      ...learnt(sample, promptTail.length),
      ...(promptTail.length === 0 && !sample.mask
        ? {}
        : maskOf(
            joined(Uint8Array, [
              new Uint8Array(promptTail.length),
              sample.mask ?? ones(sample.tokens!.length),
            ]),
          )),
      ...outcome(sample),
    };
  });
  return {
    prompt: {
      tokens: shared === tokens!.length ? tokens! : tokens!.slice(0, shared),
      ...(parts && shared === tokens!.length ? { text: parts.join('') } : {}),
    },
    completions,
  };
}

function fromTexts(
  samples: readonly Sample[],
  tokenizer: GroupContext['tokenizer'],
): Pick<Group, 'prompt' | 'completions' | 'tokenTexts'> {
  const units = tokenizer ? null : new UnitTable();
  const encode = tokenizer ?? ((text: string) => units!.tokens(text));
  const prompts = samples.map(({ prompt }) => prompt.parts ?? []);
  const shared = commonLength(prompts);
  const prompt = prompts[0].slice(0, shared).join('');
  const promptTokens = encode(prompt);
  const completions = samples.map((sample, i): Completion => {
    const promptTail = prompts[i].slice(shared).map((text) => ({ text, sampled: false }));
    const parts = [...promptTail, ...(sample.parts ?? [])];
    const encoded = parts.map(({ text }) => encode(text));
    return {
      tokens: encoded.length === 1 ? encoded[0] : joined(Int32Array, encoded),
      text: textOf(parts),
      ...maskOf(
        joined(
          Uint8Array,
          encoded.map((part, p) => new Uint8Array(part.length).fill(Number(parts[p].sampled))),
        ),
      ),
      ...outcome(sample),
    };
  });
  return {
    prompt: { tokens: promptTokens, text: prompt },
    completions,
    ...(units ? { tokenTexts: units.texts() } : {}),
  };
}

const textOf = (parts: readonly Part[]) => parts.map(({ text }) => text).join('');

function outcome({ reward, rewards, advantage, stop, versions }: Sample) {
  return {
    reward,
    ...(rewards && Object.keys(rewards).length > 0 ? { rewards } : {}),
    ...(advantage === undefined ? {} : { advantage }),
    ...(stop ? { stop } : {}),
    ...(versions && versions.length > 0 ? { versions } : {}),
  };
}

/** The trainer's values for each token; NaN for tokens that were given. */
function learnt({ trainerLogprobs, entropies }: Sample, promptTokens: number) {
  const padded = (values: Float32Array) =>
    joined(Float32Array, [new Float32Array(promptTokens).fill(Number.NaN), values]);
  return {
    ...(trainerLogprobs && { trainerLogprobs: padded(trainerLogprobs) }),
    ...(entropies && { entropies: padded(entropies) }),
  };
}

const ones = (n: number) => new Uint8Array(n).fill(1);

/** A mask of ones is redundant and left out. */
function maskOf(mask: Uint8Array): { mask?: Uint8Array } {
  return mask.includes(0) ? { mask } : {};
}

/** How many leading items all lists share. */
function commonLength(lists: readonly ArrayLike<unknown>[]): number {
  const [first, ...others] = lists;
  let shared = first.length;
  for (const list of others) {
    if (list === first) continue;
    shared = Math.min(shared, list.length);
    let i = 0;
    while (i < shared && list[i] === first[i]) i++;
    shared = i;
  }
  return shared;
}

type Typed = Int32Array | Float32Array | Uint8Array;
function joined<T extends Typed>(kind: new (length: number) => T, lists: readonly T[]): T {
  if (lists.length === 2 && lists[0].length === 0) return lists[1];
  const all = new kind(lists.reduce((sum, list) => sum + list.length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}
