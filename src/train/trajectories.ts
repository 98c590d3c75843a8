/**
 * Completions of one or several turns. After each turn an environment may answer: its text is added to the completion
 * as tokens that were not sampled (mask 0), and the model continues after it.
 */
import type { Engine, SampledCompletion, SampleStatistics, SamplingOptions } from '../engine/index.js';
import type { Problem, Task } from '../task/index.js';

/** A completion with marks on the tokens that the environment wrote. */
export interface Trajectory extends Omit<SampledCompletion, 'stop'> {
  /** Ended by a stop token, by the maximum length, or by the maximum number of turns. */
  readonly stop: 'stop' | 'length' | 'turns';
  /** 1 if the model sampled the token, 0 if the environment wrote it, [n]; absent: the model wrote all. */
  readonly mask?: Uint8Array;
}

export interface TrajectoryRequest {
  readonly problem: Problem;
  /** Number of completions. */
  readonly count: number;
  readonly key: readonly (string | number)[];
  /** Place in the run, for errors. */
  readonly at?: string;
}

/** Sampling options; the others come from the task. */
export type TrajectoryOptions = Pick<
  SamplingOptions,
  'temperature' | 'topK' | 'topP' | 'seed' | 'precision' | 'signal'
>;

interface Walk {
  readonly problem: Problem;
  /** Place in the run, for errors. */
  readonly at: string;
  readonly key: readonly (string | number)[];
  readonly tokens: number[];
  readonly logprobs: number[];
  /** null: the engine does not report it. */
  entropies: number[] | null;
  readonly mask: number[];
  stop: Trajectory['stop'];
  done: boolean;
}

/** Completions of each request, in the order of the requests. */
export async function sampleTrajectories(
  engine: Engine,
  task: Task,
  requests: readonly TrajectoryRequest[],
  options: TrajectoryOptions,
): Promise<{ completions: Trajectory[][]; statistics: SampleStatistics }> {
  const { environment } = task;
  const sampling: SamplingOptions = {
    ...options,
    maxTokens: Math.min(task.maxCompletionTokens, environment?.maxTurnTokens ?? Number.POSITIVE_INFINITY),
    stopTokens: task.stopTokens,
    allowedTokens: task.allowedTokens,
    watch: task.watch,
  };
  const first = await engine.sample(
    requests.map(({ problem, count, key }) => ({ prompt: problem.promptTokens, count, key })),
    sampling,
  );
  if (!environment) {
    return { completions: first.completions.map((group) => [...group]), statistics: first.statistics };
  }
  let { decodedTokens, sampledTokens } = first.statistics;
  const walks = requests.map(({ problem, key, count, at }) =>
    Array.from(
      { length: count },
      (_, sample): Walk => ({
        problem,
        at: `${at ? `${at}, ` : ''}completion ${sample + 1} of ${count}`,
        key: [...key, sample],
        tokens: [],
        logprobs: [],
        entropies: [],
        mask: [],
        stop: 'length',
        done: false,
      }),
    ),
  );
  const all = walks.flat();
  let live = all;
  let turns: readonly SampledCompletion[] = first.completions.flat();
  for (let turn = 1; ; turn++) {
    await Promise.all(live.map((walk, i) => endTurn(walk, turns[i], turn, task)));
    live = live.filter(({ done }) => !done);
    if (live.length === 0) break;
    // Continues each completion within its remaining length; completions with equal remaining lengths are sampled
    // together.
    const left = live.map(({ tokens }) => task.maxCompletionTokens - tokens.length);
    const next: SampledCompletion[] = [];
    for (const most of [...new Set(left)].sort((a, b) => b - a)) {
      const part = live.flatMap((walk, i) => (left[i] === most ? [{ walk, i }] : []));
      const { completions, statistics } = await engine.sample(
        part.map(({ walk: { problem, tokens, key } }) => ({
          prompt: Int32Array.from([...problem.promptTokens, ...tokens]),
          count: 1,
          key: [...key, 'turn', turn],
        })),
        { ...sampling, maxTokens: Math.min(sampling.maxTokens, most) },
      );
      part.forEach(({ i }, j) => {
        next[i] = completions[j][0];
      });
      decodedTokens = sumOfCounts(decodedTokens, statistics.decodedTokens);
      sampledTokens += statistics.sampledTokens;
    }
    turns = next;
  }
  const completions = walks.map((group) =>
    group.map(
      ({ tokens, logprobs, entropies, mask, stop }): Trajectory => ({
        tokens: Int32Array.from(tokens),
        logprobs: Float32Array.from(logprobs),
        ...(entropies ? { entropies: Float32Array.from(entropies) } : {}),
        mask: Uint8Array.from(mask),
        stop,
      }),
    ),
  );
  return { completions, statistics: { decodedTokens, sampledTokens } };
}

/** The sum of two counts; undefined if one is unknown. */
export const sumOfCounts = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a + b;

/** Appends a turn's tokens and the environment's answer, unless the completion ends here. */
async function endTurn(walk: Walk, turn: SampledCompletion, number: number, task: Task): Promise<void> {
  const { environment, maxCompletionTokens } = task;
  const before = Int32Array.from(walk.tokens);
  walk.tokens.push(...turn.tokens);
  walk.logprobs.push(...turn.logprobs);
  if (turn.entropies) walk.entropies?.push(...turn.entropies);
  else walk.entropies = null;
  for (let t = 0; t < turn.tokens.length; t++) walk.mask.push(1);
  const answer =
    turn.stop === 'stop'
      ? await environment?.respond(walk.problem, turn.tokens, before, `${walk.at}, turn ${number}`)
      : undefined;
  if (answer === null) walk.stop = 'stop';
  else if (answer && number === environment?.maxTurns) walk.stop = 'turns';
  const fits = answer && walk.tokens.length + answer.length < maxCompletionTokens;
  if (!answer || !fits || number === environment?.maxTurns) {
    walk.done = true;
    return;
  }
  for (const token of answer) {
    walk.tokens.push(token);
    walk.logprobs.push(0);
    walk.entropies?.push(0);
    walk.mask.push(0);
  }
}
