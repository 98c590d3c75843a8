/**
 * What the dashboard's server answers, as types that its front end shares. All of it is read from run folders; a
 * run that is being written, or was cut off, shows what is there. Paths: every `run` is a run folder relative to the
 * runs folder, `/` between its parts, percent-encoded as one part of the address.
 *
 *   GET /api/runs                              RunList
 *   GET /api/runs/:run                         RunDetail; with ?after=<position> only what came after it
 *   GET /api/runs/:run/diagnosis               RunDiagnosis, of what is read so far; each request reads on
 *   GET /api/runs/:run/steps                   RunSteps
 *   GET /api/runs/:run/steps/:step             StepGroups
 *   GET /api/runs/:run/steps/:step/groups/:n   GroupDetail, n from 0
 *   GET /api/events                            server-sent events: `run` with a RunUpdate, `list` without data
 *                                              when runs came or went
 * Errors are `ApiError` with status 400, 401, 403, 404, 405, 413, 414, 500 or 503. Every other address is a file of the
 * built front end, `/` its index.html; there is one page, so views are told apart after the `#`. With `?token=` the
 * start page sets a cookie and sends on to `/`, so the page never sees the token.
 */
import type { DiagnosisFigures, GroupAnalysis, StepMass } from '../analysis/index.js';
import type { FormatName } from '../rollouts/index.js';
import type { MetricName } from '../train/index.js';

export interface ApiError {
  readonly error: string;
}

/**
 * Finished: as many steps as configured. Running: a process writes to it. Interrupted: neither. A log of another
 * framework does not say when it is complete: stopped, once nothing was written for a while.
 */
export type RunState = 'running' | 'interrupted' | 'finished' | 'stopped';

export interface RunSummary {
  readonly run: string;
  /** Null: a run's own folder; else a log that was found, and what it is read as. */
  readonly log: FormatName | null;
  readonly state: RunState;
  readonly task: string;
  readonly method: string;
  /** Where the model is sampled and trained, by its name in the configuration. */
  readonly engine: string;
  readonly seed: number;
  /** Training steps taken, and configured (0: not known). */
  readonly step: number;
  readonly steps: number;
  /** Mean reward and success rate of the last step; held-out accuracy of the last evaluation. */
  readonly reward: number | null;
  readonly success: number | null;
  readonly accuracy: number | null;
  /** Unix time in ms: of the configuration's file, and of the last line of metrics. */
  readonly started: number;
  readonly updated: number;
  /** The same for runs that differ in nothing but their seed. */
  readonly series: string;
  /** What is wrong with it, where its files cannot be read; what can be is there all the same. */
  readonly problem?: string;
}

export interface RunList {
  readonly folder: string;
  readonly version: string;
  readonly runs: readonly RunSummary[];
}

/** Metrics of training steps as columns; null where a figure was not taken. */
export interface MetricColumns {
  /** [n] */
  readonly step: readonly number[];
  /** Seconds since the run's start, as far as the steps tell (sampling and updates summed), [n]. */
  readonly time: readonly number[];
  /** Each [n]; a metric that the run has never taken is missing. */
  readonly values: { readonly [name in MetricName]?: readonly (number | null)[] };
}

/** All of it, with `from` 0; after a position that still holds, what came since. */
export interface RunDetail extends RunSummary, RunPart {
  /** `config.yaml`, as it stands there; '' for a log. */
  readonly config: string;
  /** Its keys, dotted, with their values as JSON, defaults included; none where it cannot be read. */
  readonly settings: Readonly<Record<string, string>>;
  /** Unit and meaning of each metric. */
  readonly units: { readonly [name in MetricName]: readonly [unit: string, meaning: string] };
}

/** Steps whose rollouts were written, rising. */
export interface RunSteps extends RunSummary {
  readonly rolloutSteps: readonly number[];
}

/** What only the trees of a run's groups tell of it. */
export interface RunDiagnosis {
  readonly run: string;
  /** Files of groups that are in the figures, and all there are: less than all while they are read. */
  readonly read: number;
  readonly files: number;
  /** β of the run's KL term; null: not known. */
  readonly beta: number | null;
  readonly figures: DiagnosisFigures;
  /** The first file that cannot be read, if there is one. */
  readonly problem?: string;
}

/**
 * What a run has from some place on. Whoever has what comes before cuts its columns to `from`, its steps to
 * `rolloutsFrom`, and appends (a run that was resumed lost its last steps; a metric taken for the first time is null
 * before). A place beyond what it has means that it missed something: it reads the run again.
 */
export interface RunPart {
  readonly from: number;
  readonly metrics: MetricColumns;
  /** Index of the first of `rolloutSteps` among the steps whose rollouts were written. */
  readonly rolloutsFrom: number;
  readonly rolloutSteps: readonly number[];
  /** Names all up to here, for `?after=`. */
  readonly position: string;
}

/** Sent as a run grows. Open the events first, then read the run. */
export interface RunUpdate extends RunPart {
  readonly run: string;
  readonly summary: RunSummary;
}

export interface GroupRow {
  /** Place in the step's file, from 0. */
  readonly n: number;
  readonly id: string;
  /** Where it differs from those of the step's other groups, at most 200 characters. */
  readonly prompt: string;
  readonly completions: number;
  readonly tokens: number;
  readonly distinctTokens: number;
  readonly meanReward: number;
  readonly minReward: number;
  readonly maxReward: number;
  readonly flat: boolean;
  /** Null: mixed rewards. */
  readonly zeroVariance: GroupAnalysis['zeroVariance'];
  readonly pathDepth: number;
  readonly intermediateProportion: number;
  /** Completions with aᵢ > 0 most of whose tokens lie in steps with Â < 0. */
  readonly pushedDown: number;
  /** The largest share of tokens in steps against it, over completions with aᵢ > 0. */
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
  /** How the run judges its groups, in words; absent: not known, judged as in the paper. */
  readonly judged?: string;
  /** The first line of its file that is no group, if there is one; the others are shown. */
  readonly problem?: string;
}

/** A group with what is needed to draw it; its tree and figures are computed where they are shown. */
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
  /** How the run judged it, [k] each, and in words; null: not known. */
  readonly judged: {
    readonly advantages: readonly number[];
    readonly weights: readonly number[];
    readonly text: string;
  } | null;
  /** How each token id is shown. */
  readonly tokenTexts: Readonly<Record<number, string>>;
}
