/**
 * Group: a prompt and the completions sampled for it, with their rewards. Trainer, logs, reports and dashboard all use
 * this type, and the readers of other frameworks' logs produce it. It does not hold the process tree, which follows from
 * the tokens.
 */

export interface Completion {
  /** Token ids, [n]; may be empty. */
  readonly tokens: Int32Array;
  readonly text?: string;
  /** ln π of each token at sampling time, [n]. */
  readonly logprobs?: Float32Array;
  /** ln π of each token computed by the trainer, before its update, [n]; NaN if unknown. */
  readonly trainerLogprobs?: Float32Array;
  /**
   * Entropy (nats) of the distribution that each token was drawn from, reported by trainer or sampler, [n]; NaN if
   * unknown.
   */
  readonly entropies?: Float32Array;
  /** 1 if the token is trained, 0 if the model did not sample it (a tool did, say), [n]; absent: all are trained. */
  readonly mask?: Uint8Array;
  /** Finite. */
  readonly reward: number;
  /** Its parts by name. */
  readonly rewards?: Readonly<Record<string, number>>;
  /** The reason for the reward, in words. */
  readonly note?: string;
  /** The advantage used in training, (r − mean) / (std + ε) or a framework's own. */
  readonly advantage?: number;
  /** Whether it solves its problem, if that is known apart from the reward. */
  readonly success?: boolean;
  /** Versions of the weights that sampled it, in order; absent: the log does not say. */
  readonly versions?: readonly number[];
  /** Ended by a stop token, by the maximum length, or by the maximum number of turns. */
  readonly stop?: 'stop' | 'length' | 'turns';
}

/** Whether token ids are the sampled ones, recomputed from text, or text units instead of tokens. */
export type TokenSource = 'exact' | 'retokenized' | 'text-units';
/** How groups are identified: by an id, by position in the file, or by equal prompts. */
export type GroupSource = 'explicit' | 'consecutive' | 'prompt-text';

/** The logs that can be read, by the name that `--format` takes; docs/formats.md has a line on each. */
export const FORMAT_NAMES = [
  'own',
  'prime-rl',
  'verifiers',
  'verifiers-v1',
  'nemo-rl',
  'nemo-gym',
  'tinker',
  'trl',
  'verl',
  'skyrl',
  'slime',
  'art',
  'grpo-prm',
  'reasoning-gym',
  'qwen-math',
  'generic',
] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

export interface Group {
  /** Unique within a step. */
  readonly id: string;
  /** Training step, from 1; null if the log does not name it. */
  readonly step: number | null;
  readonly prompt: { readonly tokens: Int32Array; readonly text?: string };
  /** [k], at least one. */
  readonly completions: readonly Completion[];
  readonly tokens: TokenSource;
  readonly groups: GroupSource;
  /** Text of each token id, so that a tree can be read without the tokenizer; incomplete bytes as in pieces.ts. */
  readonly tokenTexts?: Readonly<Record<number, string>>;
  /**
   * If it was split from an id with several prompts: that id, the rewards of all its completions, and the index of this
   * group's first one.
   */
  readonly merged?: { readonly id: string; readonly rewards: Float64Array; readonly from: number };
  /** File and first line, from 1 (in Parquet: row). */
  readonly source?: {
    readonly file: string;
    readonly line: number;
    readonly format: FormatName;
    /** Name of its source (a run or format); absent if all groups have the same source. */
    readonly label?: string;
  };
}
