/** Converts the controls to changes of the binary tree's recipe; the configuration's schema checks each value. */
import { type Config, type Method, parseConfig } from '../../src/core.js';
import type { Settings } from './settings.js';

/** The key of the configuration that each control sets. */
const KEYS: Record<keyof Settings, string> = {
  n: 'task.n',
  rneg: 'task.negative_reward',
  optimizer: 'optimizer.name',
  lr: 'optimizer.learning_rate',
  epsilon: 'optimizer.epsilon',
  clip: 'optimizer.max_grad_norm',
  seed: 'seed',
  steps: 'train.steps',
};

const MOST_STEPS = 2000;

/**
 * @param recipe text of recipes/binary-tree.yaml
 * @throws ConfigError naming the key, what is expected and what came; Error for more steps than the page allows
 */
export function configOf(recipe: string, settings: Settings, method: Method): Config {
  const set = (Object.keys(KEYS) as (keyof Settings)[]).map((name) => {
    const value = settings[name].trim();
    // Typed text is quoted: it is always a value, never YAML syntax.
    const written = value === '' ? 'null' : Number.isFinite(Number(value)) ? value : JSON.stringify(value);
    return `${KEYS[name]}=${written}`;
  });
  const config = parseConfig(recipe, 'recipe', { method, set });
  if (config.train.steps > MOST_STEPS)
    throw new Error(`train.steps: expected at most ${MOST_STEPS}, got ${config.train.steps}`);
  return config;
}
