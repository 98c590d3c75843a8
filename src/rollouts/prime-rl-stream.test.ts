/** prime-rl's stream of episodes with its annotations, as its file monitor writes it (scripts/fixtures/prime_rl_stream.py). */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readGroups as read } from '../../test/read-groups.js';

const FIXTURE = join(import.meta.dirname, '../../test/readers/fixtures/prime-rl-stream');
const root = mkdtempSync(join(tmpdir(), 'prime-rl-'));
afterAll(() => rmSync(root, { recursive: true }));
let copies = 0;
let run: string;
beforeEach(() => {
  run = join(root, `${copies++}`, 'run');
  cpSync(FIXTURE, run, { recursive: true });
});

const numbers = (values: ArrayLike<number> | undefined) =>
  values && Array.from(values, (v) => (Number.isNaN(v) ? null : Math.round(v * 1e6) / 1e6));

describe('a run of prime-rl', () => {
  it('is read from its sealed and live chunks: groups over both, evaluations, indices and live traces aside', async () => {
    const { groups, notes } = await read(run);
    expect(
      groups.map(({ id, step, completions, source, groups: by, tokens }) => [
        id,
        step,
        completions.length,
        source?.format,
        by,
        tokens,
      ]),
    ).toEqual([
      ['train-0', 7, 2, 'prime-rl', 'explicit', 'exact'],
      // It was not trained on, so its step is the one that requested it. Its second trace branches.
      ['train-1', 5, 3, 'prime-rl', 'explicit', 'exact'],
    ]);
    expect(groups[0].source).toMatchObject({ line: 1 });
    expect(groups[0].source?.file).toMatch(/stream[\\/]00000\.jsonl\.zst$/);
    expect(notes).toEqual([
      expect.objectContaining({ warning: false, message: 'the last line is incomplete and is skipped' }),
    ]);
  });

  it('has what trainer and orchestrator learnt, folded onto its tokens', async () => {
    const [trained, other] = (await read(run)).groups;
    const [right, wrong] = trained.completions;
    expect([...right.tokens]).toEqual([7, 8, 20, 21, 90, 91, 34]);
    expect([...right.mask!]).toEqual([1, 1, 0, 0, 0, 0, 1]);
    expect(numbers(right.logprobs)).toEqual([-0.125, -0.25, 0, 0, 0, 0, -0.125]);
    expect(numbers(right.trainerLogprobs)).toEqual([-0.13, -0.26, null, null, null, null, -0.1]);
    expect(numbers(right.entropies)).toEqual([0.5, 1.5, null, null, null, null, 0.25]);
    expect([right.advantage, wrong.advantage]).toEqual([0.5, -0.5]);
    // The newest update of the second trace ends before its last turn, which keeps the older one.
    expect(numbers(wrong.entropies)).toEqual([0.75, 1.25, null, null, null, null, 0.25]);
    expect([right.versions, wrong.versions]).toEqual([[3], [3, 4]]);
    expect(
      other.completions.map(({ trainerLogprobs, entropies, advantage }) => [
        trainerLogprobs,
        entropies,
        advantage,
      ]),
    ).toEqual(Array.from({ length: 3 }, () => [undefined, undefined, undefined]));
  });

  it('without annotations, or as one file before chunks, is read too', async () => {
    rmSync(join(run, 'monitors/file/traces/annotations'), { recursive: true });
    const bare = await read(run);
    expect(bare.groups.map(({ id, step }) => [id, step])).toEqual([
      ['train-0', 5],
      ['train-1', 5],
    ]);
    const stream = join(run, 'monitors/file/traces/stream');
    const lines = readFileSync(join(stream, '00001.jsonl'), 'utf8').split('\n').slice(0, -1);
    rmSync(stream, { recursive: true });
    writeFileSync(join(run, 'monitors/file/traces/stream.jsonl'), lines.map((line) => `${line}\n`).join(''));
    const whole = await read(run);
    expect(whole.groups.map(({ id, completions }) => [id, completions.length])).toEqual([
      ['train-0', 1],
      ['train-1', 2],
    ]);
    expect(whole.notes).toEqual([]);
  });

  it('values that stand on the nodes themselves are read, and annotations go before them', async () => {
    const live = join(run, 'monitors/file/traces/stream/00001.jsonl');
    const stamped = readFileSync(live, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const episode = JSON.parse(line);
        for (const node of episode.traces[0].nodes) {
          const sampled = node.mask.filter(Boolean).length;
          if (sampled > 0)
            Object.assign(node, {
              entropies: Array(sampled).fill(9),
              trainer_logprobs: Array(sampled).fill(-2),
            });
        }
        return `${JSON.stringify(episode)}\n`;
      });
    writeFileSync(live, stamped.join(''));
    const [trained, other] = (await read(run)).groups;
    expect(numbers(trained.completions[1].entropies)).toEqual([0.75, 1.25, null, null, null, null, 0.25]);
    expect(numbers(other.completions[1].entropies)).toEqual([9, 9, null, null, null, null, 9]);
    expect(numbers(other.completions[1].trainerLogprobs)).toEqual([-2, -2, null, null, null, null, -2]);
  });

  it('a broken line in its middle is a bad row; one of the annotations too', async () => {
    const live = join(run, 'monitors/file/traces/stream/00001.jsonl');
    writeFileSync(live, `{"id": "cu\n${readFileSync(live, 'utf8')}`);
    await expect(read(run)).rejects.toThrow(/00001\.jsonl:1: .*expected one whole JSON object per line/);
    cpSync(FIXTURE, run, { recursive: true });
    const orch = join(run, 'monitors/file/traces/annotations/orch/00000.jsonl');
    writeFileSync(orch, `${readFileSync(orch, 'utf8')}{"trace_id": 5}\n`);
    await expect(read(run)).rejects.toThrow(/orch[\\/]00000\.jsonl:3: expected an update of a trace/);
    expect((await read(run, { skipBad: true })).groups).toHaveLength(2);
  });

  it('annotations alone are not a log', async () => {
    await expect(read(join(run, 'monitors/file/traces/annotations'))).rejects.toThrow(
      /expected the traces of the same run too \(the folder traces\), got only their annotations/,
    );
  });
});
