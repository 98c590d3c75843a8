/**
 * The answers of the dashboard's server, as types that its front end shares. They are read from run folders; a run that
 * is being written or was interrupted shows the data that exists. Paths: `run` is a run folder relative to the runs
 * folder, `/` between its parts, percent-encoded as one part of the address.
 *
 *     GET /api/runs                              RunList
 *     GET /api/runs/:run                         RunDetail; with ?after=<position> only newer data
 *     GET /api/runs/:run/diagnosis               RunDiagnosis of the data read so far; each request reads more
 *     GET /api/runs/:run/steps                   RunSteps
 *     GET /api/runs/:run/steps/:step             StepGroups
 *     GET /api/runs/:run/steps/:step/groups/:n   GroupDetail, n from 0
 *     GET /api/events                            server-sent events: `run` with a RunUpdate; `list` without data
 *                                                if runs appeared or disappeared
 *
 * Errors are `ApiError` with status 400, 401, 403, 404, 405, 413, 414, 500 or 503. Every other address is a file of the
 * built front end, `/` its index.html. There is one page; the part after `#` chooses the view. With `?token=` the start
 * page sets a cookie and redirects to `/`, so the page never sees the token.
 */
import type { DiagnosisFigures, GroupAnalysis, StepMass } from '../analysis/index.js';
import type { FormatName } from '../rollouts/index.js';
import type { MetricName } from '../train/index.js';

export interface ApiError {
  readonly error: string;
}

/**
 * Finished: all configured steps are done. Running: a process writes to it. Interrupted: neither. A log of another
 * framework does not say when it is complete; it counts as stopped if nothing was written for a while.
 */
export type RunState = 'running' | 'interrupted' | 'finished' | 'stopped';

export interface RunSummary {
  readonly run: string;
  /** Null: our own run folder; else the format of a log of another framework. */
  readonly log: FormatName | null;
  readonly state: RunState;
  readonly task: string;
  readonly method: string;
  /** The engine that samples and trains the model, by its name in the configuration. */
  readonly engine: string;
  readonly seed: number;
  /** Training steps taken, and configured steps (0: unknown). */
  readonly step: number;
  readonly steps: number;
  /** Mean reward and success rate of the last step; held-out accuracy of the last evaluation. */
  readonly reward: number | null;
  readonly success: number | null;
  readonly accuracy: number | null;
  /** Unix time in ms: of the configuration file, and of the last line of metrics. */
  readonly started: number;
  readonly updated: number;
  /** Equal for runs that differ only in their seed. */
  readonly series: string;
  /** The fault, if some of its files cannot be read; readable data is still shown. */
  readonly problem?: string;
}

export interface RunList {
  readonly folder: string;
  readonly version: string;
  readonly runs: readonly RunSummary[];
}

/** Metrics of training steps as columns; null if a figure was not measured. */
export interface MetricColumns {
  /** [n] */
  readonly step: readonly number[];
  /** Seconds since the run's start, as far as the metrics tell (sum of sampling and update times), [n]. */
  readonly time: readonly number[];
  /** Each [n]; metrics that were never measured are missing. */
  readonly values: { readonly [name in MetricName]?: readonly (number | null)[] };
}

/** All data if `from` is 0; if a valid position was given, only newer data. */
export interface RunDetail extends RunSummary, RunPart {
  /** The text of `config.yaml`; '' for a log. */
  readonly config: string;
  /** Its keys, dotted, with their values as JSON, defaults included; empty if it cannot be read. */
  readonly settings: Readonly<Record<string, string>>;
  /** Unit and meaning of each metric. */
  readonly units: { readonly [name in MetricName]: readonly [unit: string, meaning: string] };
}

/** Steps whose rollouts were written, ascending. */
export interface RunSteps extends RunSummary {
  readonly rolloutSteps: readonly number[];
}

/** Diagnosis of a run from the trees of its groups. */
export interface RunDiagnosis {
  readonly run: string;
  /**
   * Files of groups that are included in the figures, and the number of files: fewer are included while they are being
   * read.
   */
  readonly read: number;
  readonly files: number;
  /** β of the run's KL term; null: unknown. */
  readonly beta: number | null;
  readonly figures: DiagnosisFigures;
  /** The first file that cannot be read, if there is one. */
  readonly problem?: string;
}

/**
 * The part of a run from some position on. A page that has the earlier part cuts its columns to `from` and its steps to
 * `rolloutsFrom`, and appends the new ones (a resumed run lost its last steps; a metric that is new is null before). If
 * `from` is beyond what the page has, it missed something and must fetch the whole run.
 */
export interface RunPart {
  readonly from: number;
  readonly metrics: MetricColumns;
  /** Index of the first of `rolloutSteps` among all steps with rollouts. */
  readonly rolloutsFrom: number;
  readonly rolloutSteps: readonly number[];
  /** Position after this part, for `?after=`. */
  readonly position: string;
}

/** Sent as a run grows. Open the event stream before fetching the run, so that nothing is missed. */
export interface RunUpdate extends RunPart {
  readonly run: string;
  readonly summary: RunSummary;
}

export interface GroupRow {
  /** Index in the step's file, from 0. */
  readonly n: number;
  readonly id: string;
  /** The part that differs from the step's other prompts, at most 200 characters. */
  readonly prompt: string;
  readonly completions: number;
  readonly tokens: number;
  readonly distinctTokens: number;
  readonly meanReward: number;
  readonly minReward: number;
  readonly maxReward: number;
  readonly flat: boolean;
  /** Null if rewards are mixed. */
  readonly zeroVariance: GroupAnalysis['zeroVariance'];
  readonly pathDepth: number;
  readonly intermediateProportion: number;
  /** Completions with aᵢ > 0 and most of their tokens in steps with Â < 0. */
  readonly pushedDown: number;
  /** The largest share of tokens in steps with the opposite sign, over completions with aᵢ > 0. */
  readonly worst: number;
  /** Largest (|λ| − 1)·|Â|. */
  readonly flaw: number;
  /** Σ |λ|·|Â| over tokens, and the part of it in steps with |λ| > 1. */
  readonly mass: StepMass;
}

export interface StepGroups {
  readonly run: string;
  readonly step: number;
  readonly groups: readonly GroupRow[];
  /** How the run judges its groups, in words; absent: unknown, judged as in the paper. */
  readonly judged?: string;
  /** The first line of its file that is not a group, if there is one; the other lines are shown. */
  readonly problem?: string;
}

/** A group with all data for drawing it; the page computes its tree and figures. */
export interface GroupDetail {
  readonly run: string;
  readonly step: number;
  readonly n: number;
  readonly id: string;
  readonly prompt: string;
  readonly completions: readonly {
    readonly tokens: readonly number[];
    readonly reward: number;
    readonly advantage: number | null;
    readonly stop: 'stop' | 'length' | 'turns' | null;
  }[];
  /** How the run judged it, [k] each, and in words; null: unknown. */
  readonly judged: {
    readonly advantages: readonly number[];
    readonly weights: readonly number[];
    readonly text: string;
  } | null;
  /** Text of each token id. */
  readonly tokenTexts: Readonly<Record<number, string>>;
}
