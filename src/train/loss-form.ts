/** Maps each loss of the family to the ratio that it clips (docs/losses.md). */
import type { LossForm } from '../model/index.js';
import type { Config } from './config.js';

/** The ratio that a loss clips, and how; apart from this, losses differ in normalisation. */
export function lossForm(loss: Config['objective']['loss']): LossForm {
  return loss === 'cispo' || loss === 'gspo' ? loss : 'ppo';
}
