/** Shape and optimizer of the small random model that is used if a configuration names no model. */
import type { OptimizerConfig } from '../engine/index.js';
import type { ModelConfig } from '../model/index.js';
import type { Task } from '../task/index.js';
import { type Config, contextLength } from './config.js';

/** Shape of the small random model for a configuration that names no model. */
export function randomModel(config: Config, task: Task): ModelConfig {
  const { width, layers, heads } = config.model;
  return {
    vocabularySize: task.vocabulary.size,
    contextLength: contextLength(config, task),
    width,
    layers,
    heads,
  };
}

/** The optimizer in the engine's names. */
export function optimizerConfig(optimizer: Config['optimizer']): OptimizerConfig {
  const { weight_decay: weightDecay, momentum, beta1, beta2, epsilon } = optimizer;
  return optimizer.name === 'sgd'
    ? { name: 'sgd', momentum, weightDecay }
    : { name: 'adamw', beta1, beta2, epsilon, weightDecay };
}
