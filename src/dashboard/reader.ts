/**
 * The interface between the server and its data: a run folder (run-reader.ts) or a log of any framework
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
  /** Its name: relative to the served folder, `/` between its parts. */
  readonly run: string;
  /** Time of the last write, ms. */
  readonly lastWritten: number;
  /** Reads new data. */
  refresh(): Promise<void>;
  summary(): RunSummary;
  /** @param after position of an earlier answer: only newer data is returned if it is still valid */
  detail(after?: string): Promise<RunDetail>;
  steps(): Promise<RunSteps>;
  /** Diagnosis of the groups that have been read so far; each call reads more. */
  diagnosis(): Promise<RunDiagnosis>;
  /** Marks all current data as sent. */
  markSent(): Promise<void>;
  /** Changes since the last call; null: none. */
  takeUpdate(): Promise<RunUpdate | null>;
  /** @throws Refusal 404 if the step has no rollouts */
  stepGroups(step: number): Promise<StepGroups>;
  /** @throws Refusal 404 if there is no such group */
  group(step: number, n: number): Promise<GroupDetail>;
}
