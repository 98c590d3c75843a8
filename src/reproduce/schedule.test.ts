import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { theorem } from './experiments/theorem.js';
import { reproduce } from './reproduce.js';
import { ResultStore } from './results.js';
import { schedule } from './schedule.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-reproduce-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const units = theorem.units(theorem.settings({ quick: true }), {});
const run = (work: string, signal?: AbortSignal, progress?: (done: number) => void) =>
  reproduce({
    experiment: theorem,
    quick: true,
    places: {},
    work: join(folder, work),
    out: join(folder, work, 'results'),
    jobs: 2,
    signal,
    progress,
  });
const dataOf = (work: string) =>
  JSON.parse(readFileSync(join(folder, work, 'results', 'theorem.json'), 'utf8')).data;

describe('reproduce', () => {
  it('cut off and continued gives what an uninterrupted one gives, and does nothing twice', async () => {
    await run('whole');
    const controller = new AbortController();
    const cut = await run('cut', controller.signal, (done) => {
      if (done > 10) controller.abort();
    });
    expect(cut).toBeNull();
    const lines = () =>
      readFileSync(join(folder, 'cut', 'results.jsonl'), 'utf8')
        .trim()
        .split('\n');
    const before = lines();
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(units.length);
    // Half a line, as a crash leaves it.
    appendFileSync(join(folder, 'cut', 'results.jsonl'), '{"id":"theorem-');
    const seen: number[] = [];
    const done = await run('cut', undefined, (value) => seen.push(value));
    expect(done?.verdict).toBe('holds');
    expect(seen[0]).toBe(before.length * 4);
    expect(lines().slice(0, before.length)).toEqual(before);
    expect(lines()).toHaveLength(units.length);
    expect(dataOf('cut')).toEqual(dataOf('whole'));
  });

  it('a page names the machines of its units, also if the folder went on elsewhere', async () => {
    const machineOf = (work: string): string =>
      JSON.parse(readFileSync(join(folder, work, 'results', 'theorem.json'), 'utf8')).making.machine;
    await run('here');
    const machine = machineOf('here');
    expect(machine).toMatch(/^\d+ × .+, Node\.js v\d+/);
    const file = join(folder, 'here', 'results.jsonl');
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    const elsewhere = { ...JSON.parse(lines[0]), machine: '16 × another (linux x64), Node.js v24.0.0' };
    const older = { ...JSON.parse(lines[1]), machine: undefined };
    writeFileSync(
      file,
      `${[JSON.stringify(elsewhere), JSON.stringify(older), ...lines.slice(2)].join('\n')}\n`,
    );
    await run('here');
    expect(machineOf('here')).toBe(
      `${machine} (${units.length - 2} units); 16 × another (linux x64), Node.js v24.0.0 (1 unit); a machine that was not recorded (1 unit)`,
    );
  });

  it('a third time nothing is left to do; another version does everything anew', async () => {
    const store = await ResultStore.open(folder, '1');
    expect(await schedule(units.slice(0, 2), { store, jobs: 1 })).toBe(false);
    const again = await ResultStore.open(folder, '1');
    expect(units.map((u) => again.has(u)).filter(Boolean)).toHaveLength(2);
    expect(again.get(units[0])).toEqual(store.get(units[0]));
    expect(again.seconds(units.slice(0, 2))).toBe(store.seconds(units.slice(0, 2)));
    expect((await ResultStore.open(folder, '2')).has(units[0])).toBe(false);
    expect(() => again.get(units[5])).toThrow('is not done');
  });

  it('a damaged line in the middle is named', async () => {
    appendFileSync(join(folder, 'results.jsonl'), 'broken\n{}\n');
    await expect(ResultStore.open(folder, '1')).rejects.toThrow('results.jsonl:1: no result of a unit');
  });
});
