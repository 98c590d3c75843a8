/** The objective of the run that wrote a rollout file, from the configuration in its folder. */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Config } from './config.js';
import { loadConfig } from './config-file.js';
import { RunFolder } from './run-folder.js';

/** The objective of the run whose folder holds this file under `rollouts/`; null: the file is in no run folder. */
export function objectiveOfRollouts(file: string): Config['objective'] | null {
  const folder = dirname(file);
  const { configFile } = new RunFolder(dirname(folder));
  return basename(folder) === 'rollouts' && existsSync(configFile) ? loadConfig(configFile).objective : null;
}
