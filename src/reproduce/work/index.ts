/** The kinds of units, with their results. */
import type { WorkContext } from './context.js';
import { type Gpt2Spec, runGpt2 } from './gpt2.js';
import { type GroupsFigures, type GroupsSpec, runGroups } from './groups.js';
import { type LogSpec, type LogStructure, runLog } from './log.js';
import { runSigns, type SignsFigures, type SignsSpec } from './signs.js';
import type { ClassSums, MassSums, SizeSums } from './step-figures.js';
import { runTheorem, type TheoremFigures, type TheoremSpec } from './theorem.js';
import { runTiming, type TimingFigures, type TimingSpec } from './timing.js';
import {
  type PolicySpec,
  policyExists,
  runPolicy,
  runTrain,
  runWarmup,
  startExists,
  type TrainFigures,
  type TrainSpec,
  type WarmupSpec,
} from './train.js';
import { runValues, type ValuesFigures, type ValuesSpec } from './values.js';

export { Interrupted, type WorkContext } from './context.js';
export type { Gpt2Spec } from './gpt2.js';
export type { GroupStructure, GroupsFigures, GroupsSpec } from './groups.js';
export type { LogSpec, LogStructure } from './log.js';
export type { RuleSigns, SignsFigures, SignsSpec } from './signs.js';
export { CLASSES } from './step-figures.js';
export type { TheoremFigures, TheoremSpec } from './theorem.js';
export type { TimingFigures, TimingSpec } from './timing.js';
export type { PolicySpec, TrainFigures, TrainSpec, WarmupSpec } from './train.js';
export type { ValuesFigures, ValuesSpec } from './values.js';
export type { ClassSums, MassSums, SizeSums };

export type UnitSpec =
  | Gpt2Spec
  | GroupsSpec
  | LogSpec
  | PolicySpec
  | SignsSpec
  | TheoremSpec
  | TimingSpec
  | TrainSpec
  | ValuesSpec
  | WarmupSpec;

interface ResultByKind {
  readonly gpt2: { readonly weights: number };
  readonly groups: GroupsFigures;
  readonly log: LogStructure | null;
  readonly policy: { readonly late: number };
  readonly signs: SignsFigures;
  readonly theorem: TheoremFigures;
  readonly timing: TimingFigures;
  readonly train: TrainFigures;
  readonly values: ValuesFigures;
  readonly warmup: { readonly loss: number };
}
export type ResultOf<S extends UnitSpec> = ResultByKind[S['kind']];

/** Runs a unit. @throws Interrupted if the signal ended it early */
export async function runUnit(spec: UnitSpec, context: WorkContext): Promise<ResultByKind[UnitSpec['kind']]> {
  switch (spec.kind) {
    case 'gpt2':
      return runGpt2(spec, context);
    case 'groups':
      return runGroups(spec, context);
    case 'log':
      return runLog(spec, context);
    case 'policy':
      return runPolicy(spec, context);
    case 'signs':
      return runSigns(spec, context);
    case 'theorem':
      return runTheorem(spec, context);
    case 'timing':
      return runTiming(spec, context);
    case 'train':
      return runTrain(spec, context);
    case 'values':
      return runValues(spec, context);
    case 'warmup':
      return runWarmup(spec, context);
  }
}

/** Whether the files that a finished unit left for other units still exist. */
export function outputExists({ kind }: UnitSpec, folder: string, id: string): boolean {
  if (kind === 'policy') return policyExists(folder, id);
  return kind === 'warmup' || kind === 'gpt2' ? startExists(folder, id) : true;
}
