/**
 * Event files for TensorBoard: equal byte for byte to those of TensorBoard's own writer
 * (scripts/python/make_event_fixtures.py). In a run folder they hold exactly the figures of metrics.jsonl, wherever the
 * run was interrupted.
 */
import { copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  concatenated,
  crc32c,
  eventFileHead,
  readScalarEvents,
  type ScalarEvent,
  scalarRecord,
} from '../src/train/event-file.js';
import { type MetricsLine, openRunFolder, parseMetrics, resolveConfig, run } from '../src/train/index.js';
import { EventLog } from '../src/train/tensorboard.js';
import { hasPython, runPython } from './python.js';

const fixtures = join(import.meta.dirname, 'tensorboard');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-events-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const events = async (path: string): Promise<string[]> =>
  (await readdir(path)).filter((name) => name.startsWith('events.')).sort();
const read = async (path: string) => {
  const [name] = await events(path);
  return readScalarEvents(await readFile(join(path, name))).filter(({ tags }) => tags.length > 0);
};
const metrics = async (path: string): Promise<MetricsLine[]> =>
  parseMetrics(await readFile(join(path, 'metrics.jsonl'), 'utf8'), 'metrics.jsonl');
const tagsOf = ({ phase, step, ...figures }: MetricsLine): string[] =>
  Object.keys(figures).map((name) => `${phase}/${name}`);

describe('the bytes', () => {
  it('checksums are those of RFC 3720', () => {
    // Appendix B.4: zeros, ones, rising, falling; and the check value of the polynomial.
    const rising = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(rising)).toBe(0x46dd794e);
    expect(crc32c(rising.slice().reverse())).toBe(0x113fdb5c);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });

  it('a file is the one that TensorBoard’s writer makes of the same events', async () => {
    const recorded = JSON.parse(await readFile(join(fixtures, 'events.json'), 'utf8')) as {
      time: number;
      events: ScalarEvent[];
    };
    expect(recorded.events).toHaveLength(4);
    const file = concatenated([eventFileHead(recorded.time), ...recorded.events.map(scalarRecord)]);
    expect(Buffer.from(file).equals(await readFile(join(fixtures, 'events.bin')))).toBe(true);
  });

  it('times, steps and tags are read back; a file cut anywhere gives the whole records before the cut', () => {
    const event = fc.record({
      time: fc.double({ noNaN: true, noDefaultInfinity: true }),
      step: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      values: fc.array(
        fc.record({
          tag: fc.string({ unit: 'grapheme', minLength: 1 }),
          value: fc.float({ noNaN: true }),
          description: fc.option(fc.string(), { nil: undefined }),
        }),
        { maxLength: 3 },
      ),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 5 }), fc.nat(), fc.nat(), (list, cutAt, flipAt) => {
        const records = list.map(scalarRecord);
        const head = eventFileHead(1);
        const whole = concatenated([head, ...records]);
        const expected = list.map(({ time, step, values }) => ({
          time,
          step,
          tags: values.map(({ tag }) => tag),
        }));
        expect(readScalarEvents(whole).slice(2)).toEqual(expected);
        const ends = [head, ...records].map((_, i, all) => concatenated(all.slice(0, i + 1)).length);
        const cut = cutAt % (whole.length + 1);
        const kept = ends.slice(1).filter((end) => end <= cut).length;
        expect(readScalarEvents(whole.subarray(0, cut)).slice(2)).toEqual(expected.slice(0, kept));
        // A bit that has turned over ends what is believed.
        const damaged = whole.slice();
        damaged[flipAt % whole.length] ^= 1 << (flipAt % 8);
        const before = ends.slice(1).filter((end) => end <= flipAt % whole.length).length;
        expect(readScalarEvents(damaged).slice(2)).toEqual(expected.slice(0, before));
      }),
      { numRuns: 200, seed: 11 },
    );
  });
});

describe('a run with log.tensorboard', () => {
  const config = resolveConfig({
    task: { name: 'arithmetic', digits: 1, held_out: 5 },
    model: { width: 16 },
    warmup: { steps: 3 },
    sampling: { group_size: 2, prompts_per_step: 2 },
    train: { steps: 6 },
    evaluation: { every: 3, problems: 2 },
    checkpoint: { every: 2, keep: 9 },
    log: { tensorboard: true },
  });
  const cutAt = (out: string, last: number) => {
    const controller = new AbortController();
    return run({
      config,
      out,
      threads: 1,
      signal: controller.signal,
      observer: { step: ({ step }) => step === last && controller.abort() },
    });
  };

  it('has one file beside metrics.jsonl with the same figures; without it there is none', async () => {
    const out = join(folder, 'whole');
    await run({ config, out, threads: 1 });
    expect(await events(out)).toHaveLength(1);
    const lines = await metrics(out);
    expect((await read(out)).map(({ step, tags }) => [step, tags])).toEqual(
      lines.map((line) => [line.step, tagsOf(line)]),
    );
    const quiet = join(folder, 'quiet');
    await run({ config: { ...config, log: { ...config.log, tensorboard: false } }, out: quiet, threads: 1 });
    expect(await events(quiet)).toEqual([]);
  });

  it('cut off and continued: no step twice, none missing, the times of before kept', async () => {
    const out = join(folder, 'cut');
    await cutAt(out, 5);
    const [first] = await events(out);
    const before = await read(out);
    // What a kill leaves: the checkpoint of step 4, a record of step 5, half a record of step 6, a copy of an older file.
    await rm(join(out, 'checkpoints', 'step_000005'), { recursive: true });
    const size = (await readFile(join(out, first))).length;
    await writeFile(join(out, first), Buffer.concat([await readFile(join(out, first)), Buffer.alloc(9, 7)]));
    await copyFile(join(out, first), join(out, 'events.out.tfevents.0000000001.lambda-grpo'));
    await truncate(join(out, 'events.out.tfevents.0000000001.lambda-grpo'), Math.floor(size / 2));
    await run({ config, out, resume: true, threads: 1 });
    expect(await events(out)).toHaveLength(1);
    expect((await events(out))[0] > first).toBe(true);
    const lines = await metrics(out);
    const after = await read(out);
    expect(after.map(({ step, tags }) => [step, tags])).toEqual(
      lines.map((line) => [line.step, tagsOf(line)]),
    );
    expect(lines).toHaveLength((await metrics(join(folder, 'whole'))).length);
    const kept = after.filter(({ step, tags }) => tags[0].startsWith('warmup') || (step > 0 && step <= 4));
    for (const { step, tags, time } of kept) {
      const same = before.find((event) => event.step === step && event.tags[0] === tags[0]);
      expect(time, `${tags[0]} at step ${step}`).toBe(same?.time);
    }
  });

  it('switched on when it is continued: the steps of before are there; switched off: no step is too many', async () => {
    const out = join(folder, 'late');
    const off = { ...config, log: { ...config.log, tensorboard: false } };
    await run({ config: { ...off, train: { ...off.train, steps: 2 } }, out, threads: 1 });
    await run({ config, out, resume: true, threads: 1 });
    expect((await read(out)).map(({ step }) => step)).toEqual((await metrics(out)).map(({ step }) => step));
    const stopped = join(folder, 'off');
    await cutAt(stopped, 5);
    await rm(join(stopped, 'checkpoints', 'step_000005'), { recursive: true });
    await run({ config: off, out: stopped, resume: true, threads: 1 });
    expect(Math.max(...(await read(stopped)).map(({ step }) => step))).toBe(4);
    expect((await openRunFolder(stopped)).config.log.tensorboard).toBe(false);
  });

  it('two restarts within a second have files whose names rise', async () => {
    const out = await mkdtemp(join(folder, 'clock-'));
    const log = new EventLog(out, () => 1_000_000_000);
    const names: string[] = [];
    for (let i = 0; i < 3; i++) {
      await log.rebuild([]);
      names.push(...(await events(out)));
    }
    expect(new Set(names).size).toBe(3);
    expect(names).toEqual([...names].sort());
  });
});

describe.skipIf(!hasPython)('TensorBoard itself', () => {
  it('its writer gives the committed bytes today', async () => {
    const out = await mkdtemp(join(folder, 'python-'));
    runPython('make_event_fixtures.py', [out]);
    const [now, before] = await Promise.all(
      [out, fixtures].map((place) => readFile(join(place, 'events.bin'))),
    );
    expect(now.equals(before)).toBe(true);
    const eventsOf = async (place: string) => JSON.parse(await readFile(join(place, 'events.json'), 'utf8'));
    expect(await eventsOf(out)).toEqual(await eventsOf(fixtures));
  });

  it('reads every figure of every step, and what each means', async () => {
    for (const name of ['whole', 'cut', 'late']) {
      const out = join(folder, name);
      const { values, descriptions } = JSON.parse(runPython('read_events.py', [out])) as {
        values: Record<string, [step: number, time: number, value: number][]>;
        descriptions: Record<string, string>;
      };
      const expected: Record<string, [number, number][]> = {};
      for (const line of await metrics(out)) {
        const { phase, step, ...figures } = line;
        for (const [key, value] of Object.entries(figures)) {
          expected[`${phase}/${key}`] ??= [];
          expected[`${phase}/${key}`].push([step, Math.fround(value as number)]);
        }
      }
      const got = Object.entries(values).map(([tag, list]) => [tag, list.map(([s, , v]) => [s, v])]);
      expect(Object.fromEntries(got), name).toEqual(expected);
      expect(descriptions['train/reward_mean'], name).toBe('mean reward (reward)');
    }
  });
});
