/** Reads the file of a configuration. `recipes/…` is a recipe of the package if the current folder has no such file. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, ConfigError } from './config.js';
import { withPathsOf } from './config-paths.js';
import { type ConfigChanges, parseConfig } from './config-sources.js';

const home = fileURLToPath(new URL('../../', import.meta.url));

/** @throws ConfigError naming file, line or option, key, what is expected and what came */
export function loadConfig(file: string, changes: ConfigChanges = {}): Config {
  const place = located(file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(place));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new ConfigError(
        `${file}: expected a configuration file, got a path that does not exist; ${hint()}`,
      );
    throw new ConfigError(`${file}: cannot be read: ${message}`);
  }
  return parseConfig(text, file, changes, (content) => withPathsOf(content, place));
}

/** Path of a recipe in the installed package. */
function located(file: string): string {
  if (existsSync(file) || !/^(\.[\\/])?recipes[\\/]/.test(file)) return file;
  const packaged = join(home, file);
  return existsSync(packaged) ? packaged : file;
}

function hint(): string {
  const names = readdirSync(join(home, 'recipes')).filter((name) => name.endsWith('.yaml'));
  return `recipes/ of lambda-grpo has ${names.join(', ')}, and lambda-grpo init creates a new one`;
}
