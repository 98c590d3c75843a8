/**
 * The interface between the server and what it shows: a run folder (run-reader.ts) or a log of any framework
 * (log-reader.ts).
 */
import type {
  GroupDetail,
  RunDetail,
  RunDiagnosis,
  RunSteps,
  RunSummary,
  RunUpdate,
  StepGroups,
} from './api.js';

export interface Reader {
  /** Its name: relative to the folder that is served, `/` between its parts. */
  readonly run: string;
  /** When something was last written, ms. */
  readonly lastWritten: number;
  /** Reads what is new. */
  refresh(): Promise<void>;
  summary(): RunSummary;
  /** @param after the position of a part that was given before: what came since, where that still holds */
  detail(after?: string): Promise<RunDetail>;
  steps(): Promise<RunSteps>;
  /** What the trees tell, of the groups that are read so far; of the rest something is read at each call. */
  diagnosis(): Promise<RunDiagnosis>;
  /** Everything up to now counts as sent. */
  markSent(): Promise<void>;
  /** What has changed since the last call; null: nothing. */
  takeUpdate(): Promise<RunUpdate | null>;
  /** @throws Refusal 404 where the step has no rollouts */
  stepGroups(step: number): Promise<StepGroups>;
  /** @throws Refusal 404 where there is no such group */
  group(step: number, n: number): Promise<GroupDetail>;
}
