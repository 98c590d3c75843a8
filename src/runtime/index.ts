export {
  type Feed,
  type FeedData,
  type Output,
  Program,
  RuntimeError,
  type RuntimeOptions,
} from './program.js';
