/** Every format's reader, by its name. */
import type { FormatName } from '../group.js';
import { art } from './art.js';
import { primeRl, verifiersV1 } from './episodes.js';
import type { Format } from './format.js';
import { generic } from './generic.js';
import { grpoPrm } from './grpo-prm.js';
import { nemoGym } from './nemo-gym.js';
import { nemoRl } from './nemo-rl.js';
import { native } from './own.js';
import { qwenMath } from './qwen-math.js';
import { reasoningGym } from './reasoning-gym.js';
import { skyrl } from './skyrl.js';
import { slime } from './slime.js';
import { tinker } from './tinker.js';
import { trl } from './trl.js';
import { verifiers } from './verifiers.js';
import { verl } from './verl.js';

export const FORMATS: Readonly<Record<FormatName, Format>> = {
  own: native,
  'prime-rl': primeRl,
  verifiers,
  'verifiers-v1': verifiersV1,
  'nemo-rl': nemoRl,
  'nemo-gym': nemoGym,
  tinker,
  trl,
  verl,
  skyrl,
  slime,
  art,
  'grpo-prm': grpoPrm,
  'reasoning-gym': reasoningGym,
  'qwen-math': qwenMath,
  generic,
};
