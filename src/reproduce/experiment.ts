/**
 * What an experiment is: a claim of the paper, a prediction, settings with seeds and steps fixed beforehand, units
 * of work that are functions of what is written in them, and a rule that turns their figures into a verdict. The
 * rule stands here in words and in the experiment's code; both were written before its units were run in full. The page
 * is a function of settings and figures, so it can be written again from the JSON file without running anything.
 */
import type { Results } from './results.js';
import type { Unit } from './unit.js';

export const VERDICTS = ['holds', 'holds in part', 'does not hold here', 'not decided yet'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What lies outside the package and is named on the command line; none of it is written into a report. */
export interface Places {
  /** A checkout of the paper's reference implementation. */
  readonly reference?: string;
  /** The Python that runs it. */
  readonly python?: string;
  /** A folder of rollout logs. */
  readonly logs?: string;
  /** A GPT-2 checkpoint, safetensors. */
  readonly checkpoint?: string;
  /** A real model is run: true, from the Hub or its cache; else its folder. */
  readonly pretrained?: boolean | string;
  /** A file of word problems with answers. */
  readonly problems?: string;
}

export interface SettingsOptions {
  /** A smoke version: everything runs once, small. */
  readonly quick: boolean;
  /** Overrides the number of seeds. */
  readonly seeds?: number;
}

/** What came out. */
export interface Report {
  readonly verdict: Verdict;
  /** One sentence with the figures that decided. */
  readonly summary: string;
  /** Markdown: tables, figures by name (`![…](<experiment>-<figure>.svg)`), reading. */
  readonly body: string;
  /** SVG by figure name. */
  readonly figures: Readonly<Record<string, string>>;
}

/** Methods, not properties: an experiment of its own settings is an experiment of any. */
export interface Experiment<S = unknown, D = unknown> {
  readonly name: string;
  readonly title: string;
  /** What the paper says, with its section. */
  readonly claim: string;
  /** What we expect to find, written beforehand. */
  readonly prediction: string;
  /** How the verdict follows, in words. */
  readonly rule: string;
  /** Only run when named: not a part of `all`, unless quick. */
  readonly long?: boolean;
  /** `data` takes what is done and leaves out seeds that are not complete: a page can be written before the end. */
  readonly partial?: boolean;
  /** Everything that determines the result, as plain JSON; printed in the report. */
  settings(options: SettingsOptions): S;
  /** What is to be done; units of equal content are done once, also across experiments. */
  units(settings: S, places: Places): readonly Unit[];
  /** The figures of units, as they stand in the JSON file: plain, rounded, small. */
  data(settings: S, results: Results, places: Places): D;
  /** Everything that is said of them. */
  report(settings: S, data: D): Report;
}
