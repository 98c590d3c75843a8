/** Errors of the dashboard: UserError at startup, an HTTP answer with a status while serving. */
import { UserError } from '../errors.js';

/** A dashboard that cannot be started: the folder does not exist, or the port is in use. */
export class DashboardError extends UserError {
  override name = 'DashboardError';
}

/** An HTTP answer with an error status; the message is shown to the reader of the page. */
export class Refusal extends Error {
  override name = 'Refusal';
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 414 | 503,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
