/** Titles of the metrics, in the order in which pages show them. */
import type { MetricName } from '../../src/train/metrics.js';

export const METRIC_TITLES: readonly (readonly [MetricName, string])[] = [
  ['reward_mean', 'mean reward'],
  ['eval_accuracy', 'held-out accuracy'],
  ['success_rate', 'success rate'],
  ['entropy', 'entropy'],
  ['kl', 'KL'],
  ['loss', 'loss'],
  ['grad_norm', 'gradient norm'],
  ['clip_fraction', 'clip share'],
  ['sampling_logp_difference_mean', 'sampler − trainer, |Δ ln π|'],
  ['stopped_share', 'ended by themselves'],
  ['completion_length', 'completion length'],
  ['distinct_share', 'distinct completions'],
  ['path_depth', 'path depth'],
  ['shared_mass', 'gradient mass in shared steps'],
  ['intermediate_proportion', 'intermediate proportion'],
  ['zero_variance_share', 'zero-variance groups'],
  ['all_right_share', 'all right'],
  ['all_wrong_share', 'all wrong'],
  ['tokens_saved', 'tokens saved by the tree'],
];
