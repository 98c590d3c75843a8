/** Makes the engine of the small random model that a configuration describes, on one thread. */
import {
  type Backend,
  type Config,
  LocalEngine,
  optimizerConfig,
  randomModel,
  type Task,
} from '../../src/core.js';

export const freshEngine = (backend: Backend, config: Config, task: Task): LocalEngine =>
  new LocalEngine({
    backend,
    model: randomModel(config, task),
    optimizer: optimizerConfig(config.optimizer),
    seed: config.seed,
    threads: 1,
  });
