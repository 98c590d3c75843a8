/**
 * The run folder, the only interface of a run to the outside:
 *   config.yaml            the resolved configuration
 *   metrics.jsonl          one record a line, appended
 *   rollouts/step_SSSSSS.jsonl   the groups of a step
 *   checkpoints/           written by checkpoint.ts
 * Files are appended to, or written under a temporary name and renamed, so a reader never sees half of one.
 */
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { type Group, writeGroups } from '../rollouts/index.js';
import { type Config, formatConfig } from './config.js';
import { loadConfig } from './config-sources.js';
import { formatMetrics, MetricsError, type MetricsLine, parseMetrics } from './metrics.js';

/** A run folder that exists already, is none, or belongs to another configuration. */
export class RunFolderError extends UserError {
  override name = 'RunFolderError';
}

/** What may differ when a run is continued: it does not touch the numbers of the steps already taken. */
const MAY_DIFFER = ['train.steps', 'checkpoint.every', 'checkpoint.keep', 'checkpoint.best'];
const ROLLOUTS = /^step_(\d{6,})\.jsonl$/;

export class RunFolder {
  readonly configFile: string;
  readonly metricsFile: string;
  readonly rollouts: string;
  readonly checkpoints: string;

  constructor(readonly path: string) {
    this.configFile = join(path, 'config.yaml');
    this.metricsFile = join(path, 'metrics.jsonl');
    this.rollouts = join(path, 'rollouts');
    this.checkpoints = join(path, 'checkpoints');
  }

  /** @throws MetricsError for a figure that is not finite; nothing is written then */
  async appendMetrics(record: MetricsLine): Promise<void> {
    await appendFile(this.metricsFile, formatMetrics(record));
  }

  rolloutsFile(step: number): string {
    return join(this.rollouts, `step_${String(step).padStart(6, '0')}.jsonl`);
  }

  /** @throws RolloutError for groups that a log could not give back */
  async writeRollouts(step: number, groups: readonly Group[]): Promise<void> {
    await writeGroups(this.rolloutsFile(step), groups);
  }

  /** Steps whose rollouts were written, rising. */
  async rolloutSteps(): Promise<number[]> {
    const names = await readdir(this.rollouts).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
      throw error;
    });
    return names.flatMap((name) => Number(ROLLOUTS.exec(name)?.[1] ?? [])).sort((a, b) => a - b);
  }

  /** Metrics so far; a last line that was cut short is left out. @throws MetricsError, also where there are none */
  async readMetrics(): Promise<MetricsLine[]> {
    const text = await readFile(this.metricsFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new MetricsError(`${this.metricsFile}: cannot be read (${error.code ?? error.message})`);
    });
    return parseMetrics(text, this.metricsFile);
  }

  /**
   * Forgets what came after a checkpoint, so that a continued run writes what an uninterrupted one would have:
   * records of later steps, later rollouts, files left under a temporary name. Call it once the checkpoint is
   * loaded, so that nothing is lost when that fails.
   * @param step of the checkpoint; null: there is none, the run starts anew
   * @throws MetricsError if the metrics are damaged; nothing is changed then
   */
  async rewind(step: number | null): Promise<void> {
    // The evaluation before the first step belongs to no checkpoint: at 0 it is made again.
    const kept = (await this.readMetrics()).filter((record) =>
      record.phase === 'warmup' ? step !== null : step !== null && step > 0 && record.step <= step,
    );
    await replaceFile(this.metricsFile, kept.map(formatMetrics).join(''));
    for (const name of await readdir(this.rollouts)) {
      const later = Number(ROLLOUTS.exec(name)?.[1] ?? -1) > (step ?? -1);
      if (later || name.endsWith('.tmp')) await rm(join(this.rollouts, name));
    }
  }
}

/**
 * A new run folder with its configuration.
 * @throws RunFolderError if there is one already (an empty folder is taken), or it cannot be made
 */
export async function createRunFolder(path: string, config: Config): Promise<RunFolder> {
  const folder = new RunFolder(path);
  try {
    await mkdir(path, { recursive: true });
    const found = await readdir(path);
    if (found.length > 0) {
      throw new RunFolderError(
        found.includes('config.yaml')
          ? `${path}: a run is here already; choose another folder with --out, or continue it with --resume`
          : `${path}: the folder is not empty (${found[0]}); choose another with --out`,
      );
    }
    await mkdir(folder.rollouts);
    await mkdir(folder.checkpoints);
    await writeFile(folder.metricsFile, '', { flag: 'wx' });
    // Last: a folder with a configuration is a whole one.
    await replaceFile(folder.configFile, formatConfig(config));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new RunFolderError(
      `${path}: cannot be made: ${messageOf(error)}; choose another folder with --out`,
    );
  }
  return folder;
}

/**
 * The folder of a run that is to be continued. Steps and checkpoints may be configured anew, all else must be equal.
 * @throws RunFolderError if there is no run, or naming the key that differs; ConfigError if its config.yaml is damaged
 */
export async function openRunFolder(
  path: string,
  config?: Config,
): Promise<{ folder: RunFolder; config: Config }> {
  const folder = new RunFolder(path);
  const found = await readdir(path).catch(() => null);
  if (!found) throw new RunFolderError(`${path}: no such folder; start a run there without --resume`);
  for (const name of ['config.yaml', 'metrics.jsonl', 'rollouts', 'checkpoints']) {
    if (!found.includes(name)) {
      throw new RunFolderError(
        `${path}: no run to continue: ${name} is missing; choose another folder with --out`,
      );
    }
  }
  const before = loadConfig(folder.configFile);
  if (!config) return { folder, config: before };
  const differing = differences(before, config).find(({ key }) => !MAY_DIFFER.includes(key));
  if (differing) {
    throw new RunFolderError(
      `${path}: ${differing.key}: found ${differing.after}; the run to continue has ${differing.before}; ` +
        'set it back, or start a run of its own with --out',
    );
  }
  await replaceFile(folder.configFile, formatConfig(config));
  return { folder, config };
}

/** Keys, dotted, whose values differ. */
function differences(
  before: object,
  after: object,
  prefix = '',
): { key: string; before: string; after: string }[] {
  const [a, b] = [before, after] as Record<string, unknown>[];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) => {
    const [x, y] = [a[name], b[name]];
    const key = prefix + name;
    if (isObject(x) && isObject(y)) return differences(x, y, `${key}.`);
    return Object.is(x, y)
      ? []
      : [{ key, before: JSON.stringify(x) ?? 'none', after: JSON.stringify(y) ?? 'none' }];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, file);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
