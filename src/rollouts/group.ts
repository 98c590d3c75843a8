/**
 * Group: a prompt and the completions sampled for it, with their rewards. Trainer, logs, reports and dashboard all use
 * this type, and the readers of other frameworks' logs produce it. It does not hold the process tree, which follows from
 * the tokens.
 */

export interface Completion {
  /** Token ids, [n]; 0 tokens are possible. */
  readonly tokens: Int32Array;
  readonly text?: string;
  /** ln π of each token when it was sampled, [n]. */
  readonly logprobs?: Float32Array;
  /** ln π of each token by the trainer, before its update, [n]; NaN where it is not known. */
  readonly trainerLogprobs?: Float32Array;
  /** Entropy (nats) of the distribution that each token was drawn from, by trainer or sampler, [n]; NaN where it is not known. */
  readonly entropies?: Float32Array;
  /** 1 where the token is trained, 0 where it came from elsewhere (a tool, say), [n]; absent: all are trained. */
  readonly mask?: Uint8Array;
  /** Finite. */
  readonly reward: number;
  /** Its parts by name. */
  readonly rewards?: Readonly<Record<string, number>>;
  /** Why the reward is what it is, in words. */
  readonly note?: string;
  /** What training took, (r − mean) / (std + ε) or a framework's own. */
  readonly advantage?: number;
  /** Whether it solves its problem, where that is known beside the reward. */
  readonly success?: boolean;
  /** Versions of the weights that sampled it, in the order in which they did; absent: the log does not say. */
  readonly versions?: readonly number[];
  /** Ended by a stop token, by its longest allowed length, or by the last turn it may take. */
  readonly stop?: 'stop' | 'length' | 'turns';
}

/** Whether token ids are those that were sampled, made again from text, or units of text standing in for tokens. */
export type TokenSource = 'exact' | 'retokenized' | 'text-units';
/** How it is known which completions belong together: an id, their place in the file, or equal prompts. */
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
  /** Training step, from 1; null where a log does not say. */
  readonly step: number | null;
  readonly prompt: { readonly tokens: Int32Array; readonly text?: string };
  /** [k], at least one. */
  readonly completions: readonly Completion[];
  readonly tokens: TokenSource;
  readonly groups: GroupSource;
  /** Text of each token id, so that a tree can be read without the tokenizer; bytes that are no character as in pieces.ts. */
  readonly tokenTexts?: Readonly<Record<number, string>>;
  /** It was taken out of an id with several prompts: that id, the rewards of all its completions, and where those of this group begin. */
  readonly merged?: { readonly id: string; readonly rewards: Float64Array; readonly from: number };
  /** Where it was read: its first row's line, from 1 (in Parquet: row). */
  readonly source?: {
    readonly file: string;
    readonly line: number;
    readonly format: FormatName;
    /** Which of several runs or formats it is from; absent where all groups are of one. */
    readonly label?: string;
  };
}
