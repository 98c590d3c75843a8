/** Requests to the server: single answers, and the stream of events. */
import type {
  ApiError,
  GroupDetail,
  MetricColumns,
  RunDetail,
  RunDiagnosis,
  RunList,
  RunPart,
  RunSteps,
  RunSummary,
  RunUpdate,
  StepGroups,
} from '../../src/dashboard/api.js';

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`api/${path}`);
  const body = (await answer.json()) as T | ApiError;
  if (!answer.ok) throw new Error((body as ApiError).error ?? `the server answered ${answer.status}`);
  return body as T;
}

const part = encodeURIComponent;

export const getRuns = (): Promise<RunList> => get('runs');
/** @param after position of the data that the page already has */
export const getRun = (run: string, after?: string): Promise<RunDetail> =>
  get(`runs/${part(run)}${after === undefined ? '' : `?after=${part(after)}`}`);
/** Diagnosis of the groups that have been read so far; each request makes the server read more. */
export const getDiagnosis = (run: string): Promise<RunDiagnosis> => get(`runs/${part(run)}/diagnosis`);
export const getSteps = (run: string): Promise<RunSteps> => get(`runs/${part(run)}/steps`);
export const getStep = (run: string, step: number): Promise<StepGroups> =>
  get(`runs/${part(run)}/steps/${step}`);
export const getGroup = (run: string, step: number, n: number): Promise<GroupDetail> =>
  get(`runs/${part(run)}/steps/${step}/groups/${n}`);

export interface Following {
  readonly onList: () => void;
  readonly onRun: (update: RunUpdate) => void;
  readonly onState: (connected: boolean) => void;
}

/** Follows all runs until the page is closed. */
export function follow({ onList, onRun, onState }: Following): void {
  const events = new EventSource('api/events');
  events.addEventListener('open', () => onState(true));
  events.addEventListener('error', () => onState(false));
  events.addEventListener('list', onList);
  events.addEventListener('run', (event) =>
    onRun(JSON.parse((event as MessageEvent<string>).data) as RunUpdate),
  );
}

/** Known data of a run merged with newer data; null: something is missing, and the run must be fetched again. */
export function merged(detail: RunDetail, summary: RunSummary, added: RunPart): RunDetail | null {
  const before = detail.metrics;
  const { from, metrics, rolloutsFrom } = added;
  if (from > before.step.length || rolloutsFrom > detail.rolloutSteps.length) return null;
  const join = <T>(a: readonly T[] | undefined, b: readonly T[] | undefined, empty: T): T[] => [
    ...(a ?? Array.from({ length: before.step.length }, () => empty)).slice(0, from),
    ...(b ?? Array.from({ length: metrics.step.length }, () => empty)),
  ];
  const names = new Set([...Object.keys(before.values), ...Object.keys(metrics.values)]) as Set<
    keyof MetricColumns['values']
  >;
  const values = Object.fromEntries(
    [...names].map((name) => [name, join(before.values[name], metrics.values[name], null)]),
  );
  const { problem, ...known } = detail;
  return {
    ...known,
    ...summary,
    from: 0,
    metrics: { step: join(before.step, metrics.step, 0), time: join(before.time, metrics.time, 0), values },
    rolloutsFrom: 0,
    rolloutSteps: [...detail.rolloutSteps.slice(0, rolloutsFrom), ...added.rolloutSteps],
    position: added.position,
  };
}
