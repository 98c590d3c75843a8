/**
 * An experiment: a claim of the paper, a prediction, settings with seeds and steps fixed beforehand, units of work that
 * are functions of their content, and a rule that turns their figures into a verdict. The rule is written here in words
 * and in the experiment's code; both were written before its units were run in full. The page is a function of settings
 * and figures, so it can be written again from the JSON file without running anything.
 */
import type { Results } from './results.js';
import type { Unit } from './unit.js';

export const VERDICTS = ['holds', 'holds in part', 'does not hold here', 'not decided yet'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** External paths that are named on the command line; none of them appears in a report. */
export interface Places {
  /** A checkout of the paper's reference implementation. */
  readonly reference?: string;
  /** The Python that runs it. */
  readonly python?: string;
  /** A folder of rollout logs. */
  readonly logs?: string;
  /** A GPT-2 checkpoint, safetensors. */
  readonly checkpoint?: string;
  /** Use the real model: true, from the Hub or its cache; else its folder. */
  readonly pretrained?: boolean | string;
  /** A file of word problems with answers. */
  readonly problems?: string;
}

export interface SettingsOptions {
  /** A smoke version: all code runs once, with small settings. */
  readonly quick: boolean;
  /** Number of seeds, instead of the default. */
  readonly seeds?: number;
}

/** The conclusion of an experiment. */
export interface Report {
  readonly verdict: Verdict;
  /** One sentence with the figures that decided. */
  readonly summary: string;
  /** Markdown: tables, figures by name (`![…](<experiment>-<figure>.svg)`), text. */
  readonly body: string;
  /** SVG by figure name. */
  readonly figures: Readonly<Record<string, string>>;
}

/**
 * Methods, not properties, so that an experiment with its own type of settings can be used as an experiment of any
 * settings.
 */
export interface Experiment<S = unknown, D = unknown> {
  readonly name: string;
  readonly title: string;
  /** What the paper says, with its section. */
  readonly claim: string;
  /** The expected result, written beforehand. */
  readonly prediction: string;
  /** How the verdict follows from the figures, in words. */
  readonly rule: string;
  /** Runs only if it is named: not part of `all`, unless quick. */
  readonly long?: boolean;
  /** `data` uses the finished units and leaves out incomplete seeds, so that a page can be written before the end. */
  readonly partial?: boolean;
  /** All settings that determine the result, as plain JSON; printed in the report. */
  settings(options: SettingsOptions): S;
  /** The units to be done. Units with equal content are done once, also across experiments. */
  units(settings: S, places: Places): readonly Unit[];
  /** The figures of units as written to the JSON file: plain, rounded, small. */
  data(settings: S, results: Results, places: Places): D;
  /** Verdict and text from settings and figures alone. */
  report(settings: S, data: D): Report;
}
