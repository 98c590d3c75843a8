/** Progress of a model that is fetched from the Hub, in megabytes. */
import type { FetchProgress } from '../model/hub.js';
import { Progress } from './progress.js';

const MB = 1e6;

/** What to give as `onFetch`; draws nothing where nothing is fetched. */
export function fetchBar(): (progress: FetchProgress) => void {
  let bar: Progress | null = null;
  return ({ file, bytes, of }) => {
    bar ??= new Progress({ label: 'fetching', total: of / MB, unit: 'MB' });
    bar.update(bytes / MB, file);
    if (bytes === of) bar.end();
  };
}
