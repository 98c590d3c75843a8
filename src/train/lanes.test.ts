import { describe, expect, it } from 'vitest';
import { inLanes } from './lanes.js';

const pause = () => new Promise((resolve) => setImmediate(resolve));

/** Runs pieces in a number of lanes; `act` gives the result of a piece. */
async function work(
  pieces: readonly number[],
  count: number,
  act: (piece: number) => 'stop' | undefined | Promise<undefined> = () => undefined,
  options: Parameters<typeof inLanes<number>>[3] = {},
) {
  const log = {
    begun: [] as number[],
    done: [] as number[],
    most: 0,
    ends: 0,
    whole: null as boolean | null,
  };
  let busy = 0;
  const lane = () => ({
    run: async (piece: number) => {
      log.begun.push(piece);
      log.most = Math.max(log.most, ++busy);
      await pause();
      busy--;
      const end = await act(piece);
      log.done.push(piece);
      return end;
    },
    end: () => {
      log.ends++;
    },
  });
  const error = await inLanes(pieces, count, lane, options).then(
    (whole) => {
      log.whole = whole;
    },
    (thrown: Error) => thrown,
  );
  return { ...log, error };
}

const PIECES = [0, 1, 2, 3, 4, 5, 6];

describe('lanes', () => {
  it('do every piece once, as many at a time as there are lanes', async () => {
    for (const count of [1, 3, 9]) {
      const { begun, done, most, ends, whole } = await work(PIECES, count);
      expect(begun).toEqual(PIECES);
      expect([...done].sort()).toEqual(PIECES);
      expect(most).toBe(Math.min(count, PIECES.length));
      expect([ends, whole]).toEqual([count, true]);
    }
  });

  it('a piece waits for those that it needs', async () => {
    const done = new Set<number>();
    const { begun, whole } = await work(
      PIECES,
      3,
      (piece) => {
        done.add(piece);
        return undefined;
      },
      // 0 and 1 need 6; 6 needs 5.
      { ready: (piece) => (piece < 2 ? done.has(6) : piece === 6 ? done.has(5) : true) },
    );
    expect(whole).toBe(true);
    expect(begun).toHaveLength(PIECES.length);
    expect(begun.indexOf(6)).toBeGreaterThan(begun.indexOf(5));
    expect(Math.min(begun.indexOf(0), begun.indexOf(1))).toBeGreaterThan(begun.indexOf(6));
  });

  it('stop: what has begun is done, nothing else begins, also where others wait', async () => {
    const { begun, done, ends, whole } = await work(PIECES, 2, (piece) => (piece === 2 ? 'stop' : undefined));
    expect(begun.length).toBeLessThan(PIECES.length);
    expect([...done].sort()).toEqual([...begun].sort());
    expect([ends, whole]).toEqual([2, false]);
    const waiting = await work([0, 1], 2, () => 'stop', { ready: (piece) => piece === 0 });
    expect([waiting.begun, waiting.whole]).toEqual([[0], false]);
  });

  it('aborted, nothing else begins', async () => {
    const controller = new AbortController();
    const { begun, whole } = await work(
      PIECES,
      2,
      (piece) => {
        if (piece === 1) controller.abort();
        return undefined;
      },
      { signal: controller.signal },
    );
    expect(begun.length).toBeLessThan(5);
    expect(whole).toBe(false);
  });

  it('the first error comes out once the others have done what they had begun', async () => {
    const { begun, done, ends, error } = await work(PIECES, 3, async (piece) => {
      if (piece === 1) throw new Error('piece 1');
      await pause();
      return undefined;
    });
    expect((error as unknown as Error).message).toBe('piece 1');
    expect(done).toEqual(begun.filter((piece) => piece !== 1));
    expect(begun.length).toBeLessThan(PIECES.length);
    expect(ends).toBe(3);
  });
});
