/** Ids with several prompts are refused, or split on request. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readGroups } from '../../test/read-groups.js';
import type { ReadOptions } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'merged-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rows = [
  { group: 'q', prompt: '1+1?', completion: '2', reward: 1, step: 1 },
  { group: 'q', prompt: '2+2?', completion: '4', reward: 0.5, step: 1 },
  { group: 'r', prompt: '3+3?', completion: '6', reward: 1, step: 1 },
  { group: 'q', prompt: '1+1?', completion: '3', reward: 0, step: 1 },
  { group: 'q', prompt: '2+2?', completion: '5', reward: 0.25, step: 1 },
  { group: 'q', prompt: '1+1?', completion: '2', reward: 1, step: 2 },
];

function read(options: ReadOptions): ReturnType<typeof readGroups> {
  const file = join(folder, 'log.jsonl');
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const keys = { prompt: 'prompt', completion: 'completion', reward: 'reward', group: 'group', step: 'step' };
  return readGroups(file, { keys, ...options });
}

it('an id with two prompts is refused, with both lines', async () => {
  await expect(read({})).rejects.toThrow(
    /log\.jsonl:2: group q: expected one prompt and answer per group, got ones that differ from line 1/,
  );
});

it('taken apart each prompt is a group, which knows the rewards of the id', async () => {
  const { groups, notes } = await read({ splitMerged: true });
  expect(
    groups.map(({ id, step, prompt, completions, merged }) => ({
      id,
      step,
      prompt: prompt.text,
      rewards: completions.map(({ reward }) => reward),
      merged: merged && { id: merged.id, rewards: [...merged.rewards], from: merged.from },
    })),
  ).toEqual([
    {
      id: 'q/1',
      step: 1,
      prompt: '1+1?',
      rewards: [1, 0],
      merged: { id: 'q', rewards: [1, 0, 0.5, 0.25], from: 0 },
    },
    {
      id: 'q/2',
      step: 1,
      prompt: '2+2?',
      rewards: [0.5, 0.25],
      merged: { id: 'q', rewards: [1, 0, 0.5, 0.25], from: 2 },
    },
    { id: 'r', step: 1, prompt: '3+3?', rewards: [1], merged: undefined },
    { id: 'q', step: 2, prompt: '1+1?', rewards: [1], merged: undefined },
  ]);
  expect(notes.map(({ message }) => message).join()).not.toContain('twice');
});
