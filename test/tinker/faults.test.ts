/**
 * Training through a failing network: whatever is dropped, cut, refused, late or restarted, each step's gradient is
 * applied exactly once. If it is unknown whether the server acted, the run goes back to the last saved state.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Datum,
  LostError,
  Session,
  TinkerClient,
  TinkerError,
  type TrainingModel,
  UnknownOutcomeError,
  type Wire,
} from '../../src/tinker/index.js';
import { FAULTS, type Fault, TableServer } from './table-server.js';

const STEPS = 2;

/** A datum that only this step has. */
const datum = (step: number): Datum => ({
  tokens: Int32Array.of(1, 2, 3),
  targets: Int32Array.of(2, 3, 4),
  logprobs: new Float32Array(3).fill(-1.5),
  advantages: Float32Array.of(0, step, -step),
  weights: Float32Array.of(0, 1, 1),
});
const mark = (step: number): string => JSON.stringify([...datum(step).advantages]);

interface Run {
  /** Steps that the last saved state has. */
  readonly state: string | null;
  /** How often it went back, and the lines that it gave for it. */
  readonly lines: readonly string[];
  readonly ended: boolean;
}

/** As a trainer does it: a step, a checkpoint, and on trouble the last checkpoint again, in a new session. */
async function run(url: string): Promise<Run> {
  const lines: string[] = [];
  let state: string | null = null;
  let done = 0;
  for (let life = 0; life < 6; life++) {
    let session: Session | undefined;
    try {
      const client = new TinkerClient({ url, pause: 0.1, maxPause: 0.5, attempts: 5 });
      session = await Session.open(client);
      const model: TrainingModel = await session.createModel({ baseModel: 'table', rank: 1, seed: 3 });
      if (state !== null) await model.loadState(state);
      while (done < STEPS) {
        await model.forwardBackward({ data: [datum(done + 1)], loss: 'importance_sampling' });
        await model.optimStep({ learning_rate: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8 });
        state = await model.saveState(`s${done + 1}`);
        done++;
      }
      return { state, lines, ended: false };
    } catch (error) {
      if (!(error instanceof TinkerError)) throw error;
      lines.push(error.message);
      const again = error instanceof UnknownOutcomeError || error instanceof LostError;
      if (!again) return { state, lines, ended: true };
    } finally {
      session?.close();
    }
  }
  return { state, lines, ended: true };
}

/** Weights of the run without any fault. */
async function undisturbed(wire: Wire): Promise<number[][]> {
  const server = await new TableServer({ wire }).start();
  const { state, lines } = await run(server.url);
  expect(lines).toEqual([]);
  const { weights, history } = server.checkpoints.get(state!)!;
  expect(history).toEqual([[mark(1)], [mark(2)]]);
  await server.stop();
  return weights;
}

describe.each(['json', 'protobuf'] as const)('on the %s wire', (wire) => {
  it('no step is taken twice or lost in 250 random schedules of faults', async () => {
    const expected = await undisturbed(wire);
    let queue: Fault[] = [];
    const server = await new TableServer({ wire, fault: () => queue.shift() ?? 'none' }).start();
    const counts = { whole: 0, again: 0, ended: 0 };
    const schedule = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant<Fault>('none') },
        { weight: 1, arbitrary: fc.constantFrom(...FAULTS) },
      ),
      { minLength: 8, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(schedule, async (faults) => {
        queue = [...faults];
        const { state, lines, ended } = await run(server.url);
        counts[ended ? 'ended' : lines.length > 0 ? 'again' : 'whole']++;
        for (const line of lines) expect(line).toMatch(/^Tinker server http:\/\/127\.0\.0\.1:\d+: [^\n\r]+$/);
        if (ended) expect(lines.length).toBeGreaterThan(0);
        const saved = state === null ? { history: [], weights: [] } : server.checkpoints.get(state)!;
        // Step by step, each gradient once: also of a run that ended early.
        expect(saved.history).toEqual([1, 2].slice(0, saved.history.length).map((step) => [mark(step)]));
        if (!ended) expect(saved.weights).toEqual(expected);
      }),
      { numRuns: 250, seed: 12 },
    );
    await server.stop();
    expect(counts.whole).toBeGreaterThan(20);
    expect(counts.again).toBeGreaterThan(20);
  });

  it.each(['drop-after', '502-after', 'cut'] as const)(
    'a gradient whose answer was lost (%s)',
    async (fault) => {
      let struck = false;
      const server = await new TableServer({
        wire,
        fault: (path) => {
          if (path !== 'forward_backward' || struck || server.models.size === 0) return 'none';
          struck = true;
          return fault;
        },
      }).start();
      const client = new TinkerClient({ url: server.url, pause: 1, wire });
      const session = await Session.open(client);
      const model = await session.createModel({ baseModel: 'table', rank: 1 });
      const input = { data: [datum(1)], loss: 'importance_sampling' as const };
      const adam = { learning_rate: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8 };
      if (wire === 'protobuf') {
        await model.forwardBackward(input);
        await model.optimStep(adam);
        expect(server.models.get(model.id)?.history).toEqual([[mark(1)]]);
      } else {
        await expect(model.forwardBackward(input)).rejects.toThrow(UnknownOutcomeError);
        // It is not sent again, and the model takes no step on what may be there.
        await expect(model.optimStep(adam)).rejects.toThrow(
          'it is unknown whether the server processed the request',
        );
        expect(server.requests.filter((path) => path === 'forward_backward')).toHaveLength(1);
        expect(server.models.get(model.id)?.history).toEqual([]);
      }
      session.close();
      await server.stop();
    },
  );

  it('a step that is cancelled halfway ends at once, and the model takes no other', async () => {
    const stop = new AbortController();
    const server = await new TableServer({
      wire,
      fault: (path) => {
        if (path === 'retrieve_future' && server.trainedRows > 0) stop.abort(new Error('enough'));
        return 'slow';
      },
    }).start();
    const session = await Session.open(new TinkerClient({ url: server.url, wire, pause: 1 }));
    const model = await session.createModel({ baseModel: 'table', rank: 1 });
    const input = { data: [datum(1)], loss: 'importance_sampling' as const };
    await expect(model.forwardBackward(input, stop)).rejects.toThrow('enough');
    await expect(model.forwardBackward(input)).rejects.toThrow('was cancelled halfway');
    session.close();
    await server.stop();
  });
});

describe('a session', () => {
  it('that has been silent for too long is refused before the wire, for good once it has expired', async () => {
    const server = await new TableServer({ wire: 'json' }).start();
    let now = 0;
    const session = await Session.open(new TinkerClient({ url: server.url }), { every: 5, now: () => now });
    const model = await session.createModel({ baseModel: 'table', rank: 1 });
    const before = server.requests.length;
    now = 400_000;
    const refusal = model.optimStep({ learning_rate: 0, beta1: 0, beta2: 0, eps: 1 });
    await expect(refusal).rejects.toThrow(/has had no heartbeat for 400 s and may have expired|has expired/);
    expect(server.requests.slice(before).filter((path) => path !== 'session_heartbeat')).toEqual([]);
    // The server goes on answering heartbeats; the session stays lost.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.requests).toContain('session_heartbeat');
    expect(() => session.check()).toThrow(/has expired/);
    session.close();
    await server.stop();
  });
});

describe('limits', () => {
  it('on size and time are one line each', async () => {
    const server = await new TableServer({ wire: 'json', fault: () => 'slow' }).start();
    const options = { url: server.url, pause: 1, attempts: 2 };
    await expect(new TinkerClient({ ...options, maxAnswerBytes: 10 }).models()).rejects.toThrow(
      /expected an answer of at most 10 bytes, got more$/,
    );
    await expect(new TinkerClient({ ...options, maxRequestBytes: 1 }).wire()).rejects.toThrow(
      /expected a request of at most 1 bytes, got 2$/,
    );
    await expect(new TinkerClient({ ...options, timeout: 1 }).models()).rejects.toThrow(
      /no answer in 0.001 s \(tried 2 times\)$/,
    );
    await server.stop();
    await expect(new TinkerClient(options).models()).rejects.toThrow(
      /no connection \(ECONNREFUSED\) \(tried 2 times\)$/,
    );
  });
});
