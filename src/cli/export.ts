/** `lambda-grpo export`: a run's policy as a model that the ecosystem reads. */
import type { StoredDType } from '../model/index.js';
import { exportRun } from '../train/index.js';

export interface ExportCommandOptions {
  readonly checkpoint?: number;
  readonly dtype?: StoredDType;
}

export async function exportCommand(
  run: string,
  folder: string,
  options: ExportCommandOptions,
): Promise<void> {
  const { step, dtype } = await exportRun(run, folder, { step: options.checkpoint, dtype: options.dtype });
  console.log(`${folder}: the policy of ${run} after step ${step}, as ${dtype}`);
}
