/** The ratio that a loss of the family clips, and how (docs/losses.md). */
import type { Config } from './config.js';

/** Which ratio a loss clips, and how; what else it is named for is its normalisation. */
export function lossForm(loss: Config['objective']['loss']): 'ppo' | 'cispo' | 'gspo' {
  return loss === 'cispo' || loss === 'gspo' ? loss : 'ppo';
}
