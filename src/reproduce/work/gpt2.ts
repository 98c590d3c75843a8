/**
 * A GPT-2 checkpoint as the start of runs on the binary tree, whose policy has three tokens: opening, L and R. All
 * other tokens are masked there, so only three rows of the embedding are ever read or trained, and only the positions
 * of a path. The model with these rows alone gives the same probabilities and steps.
 */
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { makeFolder, remove } from '../../files/index.js';
import { readSafetensors } from '../../model/files.js';
import { type NamedTensor, Parameters } from '../../model/index.js';
import { createTask } from '../../task/index.js';
import { saveCheckpoint } from '../../train/checkpoint.js';
import { type Config, createEngine, randomModel } from '../../train/index.js';
import type { WorkContext } from './context.js';
import { runFolder } from './train.js';

export interface Gpt2Spec {
  readonly kind: 'gpt2';
  /** Configuration of a binary tree, with the checkpoint's layers, heads and width. */
  readonly config: Config;
  /** Safetensors. */
  readonly file: string;
  /** Size in bytes: a file of another size is another unit. */
  readonly size: number;
}

/** GPT-2's ids of <|endoftext|>, L and R, in the order of the task's own: bos, L, R. */
const ROWS = [50256, 43, 49];

/** @throws UserError if the file lacks a tensor or has one of another shape; ModelError if it is damaged */
export async function runGpt2(
  { config, file }: Gpt2Spec,
  context: WorkContext,
): Promise<{ weights: number }> {
  const task = createTask(config.task, config.seed);
  const parameters = new Parameters(randomModel(config, task));
  const { tensors } = await readSafetensors(file);
  for (const { name, shape } of parameters.specs) {
    const tensor = tensors.get(name) ?? tensors.get(`transformer.${name}`);
    if (!tensor) throw new UserError(`--checkpoint: ${file}: tensor '${name}' is missing`);
    const view = parameters.views.get(name) as Float32Array;
    view.set(name === 'wte.weight' ? rowsOf(tensor, shape, file) : firstOf(tensor, name, shape, file));
  }
  const engine = await createEngine(config, task, { threads: 1, parameters });
  try {
    const out = join(runFolder(context.folder, context.id), 'checkpoints');
    await remove(out);
    await makeFolder(out);
    await saveCheckpoint(out, engine, { step: 0, seed: config.seed, tokens: 0 }, 1);
    return { weights: parameters.flat.length };
  } finally {
    await engine.dispose();
  }
}

/** The rows of the task's tokens. */
function rowsOf({ shape, data }: NamedTensor, [, width]: readonly number[], file: string): Float32Array {
  if (shape[0] <= Math.max(...ROWS) || shape[1] !== width) {
    throw new UserError(
      `--checkpoint: ${file}: wte.weight: expected GPT-2's vocabulary of 50257 at width ${width}, got shape [${shape.join(', ')}]`,
    );
  }
  const rows = new Float32Array(ROWS.length * width);
  ROWS.forEach((row, i) => {
    rows.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return rows;
}

/** The tensor itself; of the positions only the first ones. */
function firstOf(tensor: NamedTensor, name: string, shape: readonly number[], file: string): Float32Array {
  const fits =
    name === 'wpe.weight'
      ? tensor.shape[0] >= shape[0] && tensor.shape[1] === shape[1]
      : tensor.shape.join() === shape.join();
  if (!fits) {
    throw new UserError(
      `--checkpoint: ${file}: ${name}: expected shape [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`,
    );
  }
  return tensor.data.subarray(
    0,
    shape.reduce((a, b) => a * b, 1),
  );
}
