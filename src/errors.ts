/**
 * Base class of all errors that the user can fix. Its message is one line: where (file:line, key), what is expected and
 * what came instead. The command line prints it without a stack; any other error is a bug of this program. Each folder
 * of src derives its own class (ConfigError, RolloutError, …).
 */
export class UserError extends Error {
  override name = 'UserError';
}
