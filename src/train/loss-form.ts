/** Maps each loss of the family to the ratio that it clips (docs/losses.md). */
import type { LossForm } from '../model/index.js';
import type { Config } from './config.js';

/** Which ratio a loss clips, and how; what else it is named for is its normalisation. */
export function lossForm(loss: Config['objective']['loss']): LossForm {
  return loss === 'cispo' || loss === 'gspo' ? loss : 'ppo';
}
