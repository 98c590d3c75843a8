/**
 * Whole training runs through a failing network: connections dropped before and after the server acted, bursts of 429
 * and 5xx, slow answers, truncated bodies, restarts. In every case each step's gradient is applied exactly once, the
 * records equal those of an undisturbed run, and each return to a checkpoint or early end is one clear line.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAULTS, type Fault, TableServer } from './table-server.js';
import { trainOn, treeConfig } from './training-run.js';

/** Single faults, and bursts of the same one. */
const schedule = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant<Fault[]>(['none', 'none', 'none']) },
      { weight: 5, arbitrary: fc.constantFrom(...FAULTS).map((fault) => [fault]) },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Fault>('429', '500-before', '502-after').map((f) => [f, f, f, f, f, f]),
      },
    ),
    { minLength: 2, maxLength: 20 },
  )
  .map((parts) => parts.flat())
  .chain((faults) =>
    fc.nat({ max: 40 }).map((quiet) => [...new Array<Fault>(quiet).fill('none'), ...faults]),
  );

/** Schedules at once, each with a server of its own: runs mostly wait. */
const LANES = 5;

describe.each(['json', 'protobuf'] as const)('on the %s wire', (wire) => {
  it('no step is taken twice or lost in 250 random schedules of faults', { timeout: 300_000 }, async () => {
    const lanes = await Promise.all(
      Array.from({ length: LANES }, async () => {
        const queue: Fault[] = [];
        const fault = (): Fault => queue.shift() ?? 'none';
        const server = await new TableServer({ wire, vocabulary: 6, mark: JSON.stringify, fault }).start();
        return { server, queue };
      }),
    );
    const [{ server: first }] = lanes;
    const whole = await trainOn(first, treeConfig(first));
    expect([whole.notices, whole.endings]).toEqual([[], []]);
    const expected = first.checkpoints.get(whole.state)!;
    expect(expected.history.map(({ length }) => length)).toEqual([1, 1]);
    expect(new Set(expected.history.flat()).size).toBe(2);
    const counts = { untouched: 0, returned: 0, ended: 0 };
    const check = async (faults: readonly Fault[], lane: number): Promise<void> => {
      const { server, queue } = lanes[lane];
      queue.splice(0, queue.length, ...faults);
      const { records, state, notices, endings } = await trainOn(server, treeConfig(server));
      counts[endings.length > 0 ? 'ended' : notices.length > 0 ? 'returned' : 'untouched']++;
      for (const line of endings) {
        expect(line).toMatch(/^Tinker server http:\/\/127\.0\.0\.1:\d+: [^\n\r]+$/);
      }
      for (const line of notices) {
        expect(line).toMatch(/^Tinker server http:[^\n\r]+; the run continues from [^\n\r]+step_\d{6}$/);
      }
      const saved = server.checkpoints.get(state)!;
      expect(saved.history).toEqual(expected.history);
      expect(saved.weights).toEqual(expected.weights);
      expect(records).toEqual(whole.records);
      server.forget();
    };
    await fc.assert(
      fc.asyncProperty(fc.array(schedule, { minLength: LANES, maxLength: LANES }), async (schedules) => {
        await Promise.all(schedules.map(check));
      }),
      { numRuns: 250 / LANES, seed: 12 },
    );
    for (const { server } of lanes) await server.stop();
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(20);
  });
});
