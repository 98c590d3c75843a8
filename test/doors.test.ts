/** Runs the commands of each entry point ("door") of the README in a fresh clone; the one with a real model is in test/real. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { doors, FreshClone } from './fresh-clone.js';

let clone: FreshClone;
beforeAll(() => {
  clone = new FreshClone();
}, 300_000);
afterAll(() => clone.remove());

describe.skipIf(process.platform === 'win32')('in a fresh clone', () => {
  it('there is a door for each kind of visitor', () => {
    expect([...doors.keys()]).toEqual(['logs', 'python', 'model', 'typescript', 'paper']);
  });

  it('logs: figures, a report and a tree', async () => {
    const printed = await clone.walk('logs');
    for (const part of ['Groups and their trees', '|λ|', 'R̂']) expect(printed).toContain(part);
    expect(statSync(join(clone.folder, 'report.html')).size).toBeGreaterThan(10_000);
  });

  it('python: a file of weights', async () => {
    await clone.walk('python');
    expect(readFileSync(join(clone.folder, 'weights.parquet')).subarray(0, 4).toString()).toBe('PAR1');
  });

  it('typescript: a project that trains to the end', async () => {
    expect(await clone.walk('typescript')).toMatch(/100 steps, .*held-out accuracy \(greedy\) 1\.000/);
    expect(existsSync(join(clone.base, 'my-task', 'runs'))).toBe(true);
    // npm left the packages of the clone as they were.
    expect(existsSync(join(clone.folder, 'node_modules', 'vitest', 'package.json'))).toBe(true);
  });

  it('paper: a claim and its verdict', async () => {
    expect(await clone.walk('paper')).toContain('holds');
  });
});
