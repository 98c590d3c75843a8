/** Statistics of a few numbers, used by every room: means, and 95% intervals over seeds or trials. */
export { confidenceInterval, type Interval, type ShareInterval, shareInterval } from './interval.js';
export { type Moments, mean, median, moments, movingMean, sum } from './mean.js';
export { type Share, wilsonInterval } from './wilson.js';
