/**
 * Which files a source means: a file is itself, a folder all logs below it, anything else that holds the signs of a
 * pattern is one (minimatch). What exists goes before what a name could mean as a pattern, also for its first folders.
 * Files and folders that frameworks write beside their logs and that hold no rollouts (settings, metrics, checkpoints) are
 * passed over by name, in folders only.
 */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { Minimatch } from 'minimatch';
import { messageOf, RolloutError } from './values.js';

export interface LogFile {
  readonly path: string;
  /** The folder or pattern it was found by; a file named itself: its own folder. */
  readonly root: string;
}

/** slime's rollouts of a step; evaluations and what was trained with are others. */
const DUMP = /^\d+\.pt$/;
const LOG = /\.(jsonl|json|ndjson|parquet)(\.(gz|zst))?$/;
const BESIDE_FOLDER = /^(node_modules|\.(?!art$).*|checkpoints?|checkpoint-\d+|wandb)$/;
// Of NeMo-Gym: requests without answers, and sums over rollouts.
const BESIDE_SUFFIX = /_(materialized_inputs|reward_profiling|agent_metrics|aggregate_metrics)\.jsonl?$/;
// Of prime-rl: where the rows of a stream lie.
const BESIDE_INDEX = /\.index\.jsonl$/;
const BESIDE =
  /^(metadata|config|settings|metrics|evals?|summary|trainer_state|training_args|tokenizer(_config)?|special_tokens_map|generation_config|adapter_config|vocab|package|checkpoints?|logs|(eval_)?plan|timing_spans|tool_defs|hparams|train_op)\.(jsonl?|ndjson)$/;

/** Whether a file that lies in a folder can be a log, by its name: those that frameworks write beside their logs are none. */
export function isLogName(name: string): boolean {
  if (DUMP.test(name)) return true;
  return LOG.test(name) && !BESIDE.test(name) && !BESIDE_SUFFIX.test(name) && !BESIDE_INDEX.test(name);
}

/** What slime writes of a step's training, beside its rollouts. */
const isTrainData = (path: string): boolean => /[\\/]train_data[\\/][^\\/]+\.pt$/.test(path);

/** Whether a folder holds no logs, by its name: checkpoints, packages. */
export function isBesideFolder(name: string): boolean {
  return BESIDE_FOLDER.test(name);
}

/**
 * The files of all sources, each once, in the order of the sources and by name (numbers by their value) within one.
 * @param note told of logs that are left out because another holds the same
 * @throws RolloutError for a source that is nothing on disk or holds no log
 */
export async function findFiles(
  sources: readonly string[],
  note: (file: string, message: string) => void = () => {},
): Promise<readonly LogFile[]> {
  const found = new Map<string, LogFile>();
  for (const source of sources) {
    for (const file of await filesOf(source, note)) if (!found.has(file.path)) found.set(file.path, file);
  }
  return [...found.values()];
}

async function filesOf(source: string, note: (file: string, message: string) => void): Promise<LogFile[]> {
  const kind = await stat(source).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new RolloutError(`${source}: cannot be read: ${messageOf(error)}`);
  });
  if (kind?.isDirectory()) {
    const paths = (await walk(source)).filter((path) => isLogName(basename(path)) && !isTrainData(path));
    if (paths.length === 0)
      throw new RolloutError(
        `${source}: found no log in the folder; logs end in .jsonl, .json, .ndjson or .parquet, the first three also with .gz or .zst`,
      );
    const kept = new Set(trainedOn(paths));
    for (const path of paths)
      if (!kept.has(path)) note(path, 'left out: the batch of its step that was trained on is read instead');
    return [...kept].map((path) => ({ path, root: source }));
  }
  if (kind) return [{ path: source, root: dirname(source) }];
  const { root, rest } = await split(source);
  const pattern = new Minimatch(rest, { dot: true, magicalBraces: true, nocomment: true, nonegate: true });
  if (!pattern.hasMagic())
    throw new RolloutError(`${source}: expected a file, a folder or a pattern, got nothing there`);
  const below = (await walk(root)).filter((path) => pattern.match(relative(root, path)));
  if (below.length === 0) throw new RolloutError(`${source}: expected files of this pattern, got none`);
  return below.map((path) => ({ path, root }));
}

/** All files below a folder, sorted so that step_10 comes after step_9. */
async function walk(folder: string): Promise<string[]> {
  const files: string[] = [];
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new RolloutError(`${folder}: cannot be read: ${messageOf(error)}`);
  }
  const order = new Intl.Collator('en', { numeric: true });
  for (const entry of entries.sort((a, b) => order.compare(a.name, b.name))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      // prime-rl keeps traces that still run under traces/live.
      const live = entry.name === 'live' && basename(folder) === 'traces';
      if (!BESIDE_FOLDER.test(entry.name) && !live) files.push(...(await walk(path)));
    } else files.push(path);
  }
  return files;
}

/** The folder that a pattern begins with, as far as it exists under its literal name, and the rest, with / between. */
async function split(source: string): Promise<{ root: string; rest: string }> {
  const parts = source.split(sep === '/' ? '/' : /[\\/]/);
  for (let n = parts.length - 1; n > 0; n--) {
    const root = parts.slice(0, n).join(sep) || sep;
    const kind = await stat(root).catch(() => null);
    if (kind?.isDirectory()) return { root, rest: parts.slice(n).filter(Boolean).join('/') };
  }
  return { root: '.', rest: parts.join('/') };
}

/**
 * prime-rl writes the same episodes twice, as generated (`all`) and as trained on (`effective`), and evaluations
 * beside them: of a step's folder the trained ones are read, else all training ones.
 */
export function trainedOn(paths: readonly string[]): string[] {
  const trace = /^(.*[\\/]rollouts[\\/]step_\d+[\\/])(train|eval)[\\/](all|effective)[\\/]traces\.jsonl/;
  const effective = new Set<string>();
  const train = new Set<string>();
  for (const path of paths) {
    const [, step, split, set] = trace.exec(path) ?? [];
    if (split === 'train') train.add(step);
    if (split === 'train' && set === 'effective') effective.add(step);
  }
  return paths.filter((path) => {
    const [, step, split, set] = trace.exec(path) ?? [];
    if (step === undefined) return true;
    if (split === 'eval') return !train.has(step);
    return set === 'effective' || !effective.has(step);
  });
}

/** The training step that a path names: `step_12`, `step12`, `global_step_12`; the last one in it. */
export function stepOfPath(path: string): number | null {
  const all = [...path.matchAll(/(?:^|[^a-zA-Z])(?:global_?)?step[_-]?(\d{1,9})(?!\d)/gi)];
  const last = all.at(-1) ?? /train_data_step(\d{1,9})/.exec(path);
  return last ? Number(last[1]) : null;
}
