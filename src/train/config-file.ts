/** A configuration's file. */
import { readFileSync } from 'node:fs';
import { type Config, ConfigError } from './config.js';
import { withPathsOf } from './config-paths.js';
import { type ConfigChanges, parseConfig } from './config-sources.js';

/** @throws ConfigError naming file, line or option, key, what is expected and what came */
export function loadConfig(file: string, changes: ConfigChanges = {}): Config {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    throw new ConfigError(`${file}: cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  return parseConfig(text, file, changes, (content) => withPathsOf(content, file));
}
