/** Progress bar of a model download from the Hub, in megabytes. */
import type { FetchProgress } from '../model/hub.js';
import { Progress } from './progress.js';

const MB = 1e6;

/** A callback for `onFetch`. It draws nothing if nothing is downloaded. */
export function fetchBar(): (progress: FetchProgress) => void {
  let bar: Progress | null = null;
  return ({ file, bytes, total }) => {
    bar ??= new Progress({ label: 'fetching', total: total / MB, unit: 'MB' });
    bar.update(bytes / MB, file);
    if (bytes === total) bar.end();
  };
}
