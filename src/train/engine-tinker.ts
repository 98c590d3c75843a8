/** Options for opening an engine on a Tinker server: from the configuration, and the key from the environment. */
import type { EngineSpec } from '../engine/open.js';
import type { Task } from '../task/index.js';
import { type Config, ConfigError, contextLength } from './config.js';
import { optimizerConfig } from './random-model.js';

const KEY = 'TINKER_API_KEY';

type ServerConfig = Extract<Config['engine'], { name: 'tinker' }>;
type Client = Extract<EngineSpec, { name: 'tinker' }>['client'];

/** @throws ConfigError for a key that would be sent unencrypted */
export function tinkerSpec(
  config: Config,
  engine: ServerConfig,
  task: Task,
  signal?: AbortSignal,
): EngineSpec {
  const { base_model: baseModel, lora, reduction, kl, ahead } = engine;
  return {
    name: 'tinker',
    baseModel,
    lora: { rank: lora.rank, seed: lora.seed ?? config.seed % 2 ** 31 },
    optimizer: optimizerConfig(config.optimizer),
    ...(reduction === null ? {} : { reduction }),
    kl,
    clipsGradients: config.optimizer.max_grad_norm !== null,
    samplesAhead: ahead > 0,
    vocabulary: task.vocabulary.size,
    contextLength: contextLength(config, task),
    client: clientOptions(engine),
    signal,
  };
}

/**
 * Options of the connection, with the key from the environment.
 * @throws ConfigError for a key that would be sent unencrypted
 */
export function clientOptions({ url, concurrency, wire }: ServerConfig): Client {
  const apiKey = process.env[KEY] || undefined;
  const { protocol, hostname } = new URL(url);
  if (apiKey !== undefined && protocol === 'http:' && !isThisMachine(hostname)) {
    throw new ConfigError(
      `engine.url: expected https with the key of ${KEY}, got http to another machine; unset ${KEY} for a server without keys`,
    );
  }
  return { url, apiKey, concurrency, ...(wire === null ? {} : { wire }) };
}

const isThisMachine = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
