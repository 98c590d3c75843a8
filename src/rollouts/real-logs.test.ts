/**
 * The readers on real logs with known counts (shared/data/INDEX.md). The logs are not part of this project: without
 * them these tests are skipped, and only the fixtures elsewhere are tested.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRollouts } from './files.js';
import type { Group, ReadOptions } from './index.js';

const LOGS = join(import.meta.dirname, '../../../shared/data/rollouts');
const present = existsSync(LOGS);
if (!present) console.warn(`real logs: skipped, there is no ${LOGS}`);

async function all(name: string, options?: ReadOptions): Promise<Group[]> {
  const groups: Group[] = [];
  for await (const group of readRollouts(join(LOGS, name), options)) groups.push(group);
  return groups;
}
const sizes = (groups: readonly Group[]) => groups.map(({ completions }) => completions.length);
const mixed = (groups: readonly Group[]) =>
  groups.filter(({ completions }) => new Set(completions.map(({ reward }) => reward)).size > 1).length;
const times = (n: number, size: number) => new Array(n).fill(size);

describe.skipIf(!present)('real logs', () => {
  test.each([
    ['reasoning-gym_step400_amc23.json', 40, 50, 27],
    ['reasoning-gym_step800_amc23.json', 40, 50, 26],
    ['qwen25-math_cot_100.jsonl', 100, 8, 10],
    ['verifiers/PrimeIntellect-ai__prml--gpt-4.1-mini__d8101182.jsonl', 5, 3, 5],
    ['verifiers/PrimeIntellect-ai__wordle--gpt-4.1-mini__816ec3b0.jsonl', 5, 3, 5],
    ['verifiers/PrimeIntellect-ai__wordle--qwen--qwen3-30b-a3b-thinking-2507__50bdff53.jsonl', 5, 3, 5],
    ['verifiers/PrimeIntellect-ai__gsm8k--gpt-4.1-mini__0036a836.jsonl', 50, 3, 0],
    ['verifiers/PrimeIntellect-ai__tool-test--gpt-4.1-mini__5cde0948.jsonl', 5, 3, 0],
    ['nemo-gym/resources_servers_blackjack_data_example_rollouts.jsonl', 1, 5, 1],
    ['nemo-gym/responses_api_agents_anyswe_agent_data_example_rollouts_hermes.jsonl', 1, 5, 1],
    ['nemo-gym/resources_servers_competitive_coding_challenges_data_example_rollouts.jsonl', 1, 5, 0],
    ['nemo-gym/resources_servers_aviary_data_example_rollouts.jsonl', 5, 1, 0],
  ])('%s: %i groups of %i, %i with mixed rewards', async (name, groups, size, differing) => {
    const read = await all(name);
    expect(sizes(read)).toEqual(times(groups, size));
    expect(mixed(read)).toBe(differing);
    expect(new Set(read.map(({ id }) => id)).size).toBe(groups);
    expect(new Set(read.map(({ groups }) => groups))).toEqual(new Set(['explicit']));
  });

  test('newton_bench has no ids: equal requests make groups of 3, 1 and 1, named as such', async () => {
    const read = await all('nemo-gym/resources_servers_newton_bench_data_example_rollouts.jsonl');
    expect(read.map(({ groups, completions }) => [groups, completions.length])).toEqual([
      ['prompt-text', 3],
      ['prompt-text', 1],
      ['prompt-text', 1],
    ]);
  });

  test('the five verifiers files whose id mixes prompts are refused, by file and id', async () => {
    const refused: string[] = [];
    for (const name of (await readdir(join(LOGS, 'verifiers'))).sort()) {
      const failed = await all(`verifiers/${name}`).then(
        () => null,
        (error: Error) => error.message,
      );
      if (failed === null) continue;
      expect(failed).toContain(
        `${name}:2: group 0: expected one prompt and answer per group, got ones that differ from line 1`,
      );
      refused.push(name.slice(0, -'__00000000.jsonl'.length));
    }
    expect(refused).toEqual([
      'PrimeIntellect-ai__math-python--gpt-4.1-mini',
      'willccbb__continuation-quality--meta-llama--llama-3.1-405b',
      'willccbb__math-python--gpt-4.1-mini',
      'willccbb__math-python--gpt-4.1-mini',
      'willccbb__wordle--gpt-4.1-mini',
    ]);
    let count = 0;
    const read = await all('verifiers', { skipBad: true, onBad: () => count++ });
    expect([count, read.length]).toEqual([5, 50 + 4 * 5]);
    expect(new Set(read.map(({ id }) => id)).size).toBe(read.length);
  });

  test('gsm8k: every completion is empty, every reward 0', async () => {
    const read = await all('verifiers/PrimeIntellect-ai__gsm8k--gpt-4.1-mini__0036a836.jsonl');
    const completions = read.flatMap((group) => group.completions);
    expect(completions.length).toBe(150);
    expect(
      completions.every(({ tokens, text, reward }) => tokens.length === 0 && text === '' && reward === 0),
    ).toBe(true);
  });

  test('wordle: one prompt for all tasks; tool-test: one prompt under two ids', async () => {
    const prompts = async (name: string) => new Set((await all(name)).map(({ prompt }) => prompt.text)).size;
    expect(await prompts('verifiers/PrimeIntellect-ai__wordle--gpt-4.1-mini__816ec3b0.jsonl')).toBe(1);
    expect(await prompts('verifiers/PrimeIntellect-ai__tool-test--gpt-4.1-mini__5cde0948.jsonl')).toBe(4);
  });

  test('Qwen: all groups differ by the reward model; 76 completions are exact duplicates', async () => {
    const name = 'qwen25-math_cot_100.jsonl';
    expect(mixed(await all(name, { rewardWeights: { pred_score: 1 } }))).toBe(100);
    const read = await all(name);
    const duplicates = read.map((group) => 8 - new Set(group.completions.map(({ text }) => text)).size);
    expect(duplicates.reduce((a, b) => a + b, 0)).toBe(76);
  });

  test('competitive_coding: the token ids and log-probabilities of the file, to the last', async () => {
    const name = 'nemo-gym/resources_servers_competitive_coding_challenges_data_example_rollouts.jsonl';
    const [group] = await all(name);
    expect([group.tokens, group.prompt.tokens.length]).toEqual(['exact', 109]);
    const rows = (await readFile(join(LOGS, name), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    rows.forEach((row, i) => {
      const item = row.response.output.at(-1);
      expect([...group.completions[i].tokens]).toEqual(item.generation_token_ids);
      expect(group.completions[i].logprobs).toEqual(Float32Array.from(item.generation_log_probs));
    });
  });

  test('text units put together are the text', async () => {
    for (const { completions, tokenTexts } of await all('reasoning-gym_step800_amc23.json')) {
      for (const { tokens, text } of completions)
        expect(Array.from(tokens, (id) => tokenTexts?.[id]).join('')).toBe(text);
    }
  });

  test('a folder with several formats, and a file that is no log', async () => {
    await expect(all('.')).rejects.toThrow(
      /round_trip_test_data\.json: expected a known format .*, with the keys input, expected_output/,
    );
    const skipped: string[] = [];
    const read = await all('.', { skipBad: true, onBad: ({ file }) => skipped.push(file) });
    expect(skipped.filter((file) => file.endsWith('round_trip_test_data.json')).length).toBe(1);
    expect(new Set(read.map(({ source }) => source?.format))).toEqual(
      new Set(['nemo-gym', 'qwen-math', 'reasoning-gym', 'verifiers']),
    );
    expect(new Set(read.map(({ step, id }) => `${step} ${id}`)).size).toBe(read.length);
    expect(new Set(read.map(({ source }) => source?.label)).size).toBe(3 + 5 + 5);
    expect(read.filter(({ source }) => source?.label === 'qwen25-math_cot_100').length).toBe(100);
  });
});
