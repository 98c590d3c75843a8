export {
  type Feed,
  type FeedData,
  type Output,
  Program,
  RuntimeError,
  type RuntimeOptions,
  type StoredInputs,
} from './program.js';
