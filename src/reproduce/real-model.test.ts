import { expect, it } from 'vitest';
import { resolveConfig } from '../train/index.js';
import { contentOf, describeWeights, realModelConfig, withoutDefaults } from './real-model.js';

const config = realModelConfig({ quick: true, digits: 1, maxTokens: 9, endAtAnswer: true }, {});

it('a unit’s content is what its configuration changes: a new key with its default leaves it as it is', () => {
  const before = JSON.stringify(contentOf(config));
  expect(before).toContain('"end_at_answer":true');
  expect(before).not.toMatch(/clip_low|tensorboard|call_seconds/);
  for (const section of ['sampling', 'objective', 'optimizer', 'model', 'train'] as const) {
    const changed = withoutDefaults(
      { ...config, [section]: { ...config[section], brand_new: 1 } },
      { ...resolveConfig({ task: { name: 'custom' } }), [section]: { ...config[section], brand_new: 1 } },
    );
    expect(JSON.stringify(changed)).not.toContain('brand_new');
  }
});

it('every key that differs from its default is a part of it', () => {
  const rate = { ...config, optimizer: { ...config.optimizer, learning_rate: 0.5 } };
  const seed = { ...config, seed: 7 };
  const digits = realModelConfig({ quick: true, digits: 2, maxTokens: 9, endAtAnswer: true }, {});
  const all = [config, rate, seed, digits].map((settings) => JSON.stringify(contentOf(settings)));
  expect(new Set(all).size).toBe(4);
});

it('its task is named from the package’s folder, wherever the command runs', () => {
  expect(contentOf(config)).toMatchObject({
    task: { path: 'recipes/tasks/in-words.ts' },
    model: { path: null },
  });
});

it('a page names weights by their digest or their name on the Hub', () => {
  expect(describeWeights(null)).toBe('a small random model');
  expect(describeWeights('owner/name')).toBe('owner/name');
  expect(describeWeights('sha256 00')).toBe('SmolLM2-135M-Instruct (sha256 00)');
});
