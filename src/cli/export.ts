/** `lambda-grpo export`: writes the policy of a run as a model folder for transformers, vLLM and others. */
import type { StoredDType } from '../model/index.js';
import { exportRun } from '../train/index.js';
import { print, say } from './terminal.js';

export interface ExportCommandOptions {
  readonly checkpoint?: number | 'best';
  readonly dtype?: StoredDType;
  readonly merged?: boolean;
}

export async function exportCommand(
  run: string,
  folder: string,
  options: ExportCommandOptions,
): Promise<void> {
  const { step, dtype, adapter, skipped } = await exportRun(run, folder, options);
  for (const line of skipped) say(`note: ${line}`);
  const what = adapter ? 'the adapter' : 'the policy';
  print(`${folder}: ${what} of ${run} after step ${step}, as ${dtype}`);
}
