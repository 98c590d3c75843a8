/**
 * The base of every error whose reader is the person at the keyboard: its message is one line that says what is
 * wrong, where (file:line, key), what was found and what is allowed. The command line prints it without a stack;
 * any other error is a fault of this program. Each room derives its own kind (ConfigError, RolloutError, …).
 */
export class UserError extends Error {
  override name = 'UserError';
}
