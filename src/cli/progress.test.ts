import { describe, expect, test } from 'vitest';
import { formatDuration, Progress, progressLine } from './progress.js';

/** A terminal that keeps what was written and a clock that is set by hand. */
function terminal(isTTY = true, columns = 100) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

describe('progress', () => {
  test('shows bar, count, rate and time left', () => {
    expect(progressLine('train', 120, 250, 12.34, 'reward 0.71')).toBe(
      'train [#########-----------] 120/250  12.3/s  ETA 11s  reward 0.71',
    );
    expect(progressLine('train', 0, 250, Number.NaN)).toBe('train [--------------------] 0/250');
    expect(progressLine('train', 250, 250, 0.25)).toBe('train [####################] 250/250  4.0 s each');
    expect(progressLine('nothing', 0, 0, 0)).toBe('nothing [####################] 0/0');
    expect(progressLine('read', 120.4, 999.6, 44, '31 groups', 'MB')).toBe(
      'read [##------------------] 120/1000 MB  44 MB/s  ETA 20s  31 groups',
    );
    expect([59.2, 125, 3725].map(formatDuration)).toEqual(['1m 00s', '2m 05s', '1h 02m']);
  });

  test('writes nothing at all where there is no terminal', () => {
    const stream = terminal(false);
    const progress = new Progress({ label: 'train', total: 3, stream });
    progress.update(3);
    progress.clear();
    progress.end();
    expect(stream.written).toEqual([]);
  });

  test('draws over itself at most ten times a second, and last when it ends', () => {
    const stream = terminal();
    let time = 0;
    const progress = new Progress({ label: 'x', total: 1000, stream, now: () => time });
    for (let i = 1; i <= 1000; i++) {
      time += 1;
      progress.update(i, `note ${i}`);
    }
    expect(stream.written).toHaveLength(11);
    progress.update(1000, 'at once', true);
    expect(stream.written.at(-1)).toContain('at once');
    progress.update(1000, 'note 1000');
    expect(stream.written).toHaveLength(12);
    time += 50;
    progress.end();
    expect(stream.written.at(-2)).toBe('\rx [####################] 1000/1000  952/s  note 1000\x1b[K');
    expect(stream.written.at(-1)).toBe('\n');
  });

  test('counts a resumed run’s earlier steps as done but not for the rate, and fits the terminal', () => {
    const stream = terminal(true, 40);
    let time = 0;
    const progress = new Progress({ label: 'train', total: 250, done: 200, stream, now: () => time });
    time = 5000;
    progress.update(210, 'a note that is too long for this terminal');
    expect(stream.written.at(-1)).toBe('\rtrain [################----] 210/250  2\x1b[K');
  });
});
