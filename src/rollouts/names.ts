/**
 * Rules for names of files and folders: which can be logs, which belong to a framework's other output (settings,
 * metrics, checkpoints), which of several hold the same data, and the training step of a path.
 */

/** slime's rollouts of a step; evaluations and training data have other names. */
const DUMP = /^\d+\.pt$/;
const LOG = /\.(jsonl|json|ndjson|parquet)(\.(gz|zst))?$/;
const BESIDE_FOLDER = /^(node_modules|\.(?!art$).*|checkpoints?|checkpoint-\d+|wandb)$/;
// NeMo-Gym: requests without answers, and sums over rollouts.
const BESIDE_SUFFIX = /_(materialized_inputs|reward_profiling|agent_metrics|aggregate_metrics)\.jsonl?$/;
// prime-rl: the folder of a stream's rows.
const BESIDE_INDEX = /\.index\.jsonl$/;
const BESIDE =
  /^(metadata|config|settings|metrics|evals?|summary|trainer_state|training_args|tokenizer(_config)?|special_tokens_map|generation_config|adapter_config|vocab|package|checkpoints?|logs|(eval_)?plan|timing_spans|tool_defs|hparams|train_op)\.(jsonl?|ndjson)$/;

/** Whether a file in a folder can be a log, by its name: excludes files that frameworks write beside their logs. */
export function isLogName(name: string): boolean {
  if (DUMP.test(name)) return true;
  return LOG.test(name) && !BESIDE.test(name) && !BESIDE_SUFFIX.test(name) && !BESIDE_INDEX.test(name);
}

/** The file in which slime stores a step's training data, beside its rollouts. */
export const isTrainData = (path: string): boolean => /[\\/]train_data[\\/][^\\/]+\.pt$/.test(path);

/** Whether a file has updates of prime-rl's traces, which are in other files. */
export const isAnnotations = (path: string): boolean =>
  /(^|[\\/])annotations[\\/][^\\/]+[\\/][^\\/]+$/.test(path);

/** Whether a folder holds no logs, by its name: checkpoints, packages. */
export function isBesideFolder(name: string): boolean {
  return BESIDE_FOLDER.test(name);
}

/** A path's last part. */
export function lastName(path: string): string {
  return path.replace(/^.*[\\/]/s, '');
}

/**
 * prime-rl writes the same episodes twice, as generated (`all`) and as trained on (`effective`), and evaluations beside
 * them. Of a step's folder the trained ones are read, else all training ones.
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

/** The last training step named in a path: `step_12`, `step12`, `global_step_12`. */
export function stepOfPath(path: string): number | null {
  const all = [...path.matchAll(/(?:^|[^a-zA-Z])(?:global_?)?step[_-]?(\d{1,9})(?!\d)/gi)];
  const last = all.at(-1) ?? /train_data_step(\d{1,9})/.exec(path);
  return last ? Number(last[1]) : null;
}
