import { describe, expect, test } from 'vitest';
import { displayWidth } from './format.js';
import { formatDuration, Progress, progressLine, StepLines } from './progress.js';

/** A fake terminal that records its output, and a clock that the test sets. */
function terminal(isTTY = true, columns = 100) {
  const written: string[] = [];
  const lines: string[] = [];
  return {
    isTTY,
    columns,
    written,
    lines,
    draw: (line: string) => written.push(line),
    say: (line: string) => lines.push(line),
  };
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

  test('where there is no terminal says how far it is once a minute, and draws nothing', () => {
    const stream = terminal(false);
    let time = 0;
    const progress = new Progress({ label: 'train', total: 300, stream, now: () => time });
    for (let i = 1; i <= 150; i++) {
      time += 1000;
      progress.update(i, 'reward\u001b[2J 1');
    }
    progress.clear();
    progress.end();
    expect(stream.written).toEqual([]);
    expect(stream.lines).toEqual([
      'train 60/300  1.0/s  ETA 4m 00s  reward\\x1b[2J 1',
      'train 120/300  1.0/s  ETA 3m 00s  reward\\x1b[2J 1',
    ]);
  });

  test('a line for each step, and one within a long step', () => {
    const written: string[] = [];
    let time = 0;
    const lines = new StepLines(
      (line) => written.push(line),
      () => time,
    );
    lines.stage('too early', 5000);
    time += 6000;
    lines.stage('grpo 0/3  updating …', 5000);
    for (let step = 1; step <= 3; step++) {
      time += 2000;
      lines.step('grpo', step, 3, 'reward 0.5');
      lines.stage('too early', 5000);
    }
    expect(written).toEqual([
      'grpo 0/3  updating …',
      'grpo 1/3  8.0 s each  ETA 16s  reward 0.5',
      'grpo 2/3  5.0 s each  ETA 5s  reward 0.5',
      'grpo 3/3  4.0 s each  reward 0.5',
    ]);
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
    expect(stream.written.at(-1)).toBe('x [####################] 1000/1000  952/s  note 1000');
    expect(stream.lines).toEqual(['']);
  });

  test('counts a resumed run’s earlier steps as done but not for the rate, and fits the terminal', () => {
    const stream = terminal(true, 40);
    let time = 0;
    const progress = new Progress({ label: 'train', total: 250, done: 200, stream, now: () => time });
    time = 5000;
    progress.update(210, 'a note that is too long for this terminal');
    expect(stream.written.at(-1)).toBe('train [################----] 210/250  2');
  });

  test('fits the terminal where its note is in wide characters', () => {
    const stream = terminal(true, 70);
    let time = 0;
    const progress = new Progress({ label: 'train', total: 250, stream, now: () => time });
    time = 5000;
    progress.update(10, '東京都の人口は何人ですか、そして面積は');
    expect(displayWidth(stream.written.at(-1) ?? '')).toBeLessThanOrEqual(69);
    expect(stream.written.at(-1)).toContain('東京');
  });
});
