/**
 * Errors of a server, by what the caller may do next: nothing (TinkerError: the server refused or cannot be reached),
 * load a saved state (UnknownOutcomeError: it is unknown whether the server acted), or start over on a new model from
 * a saved state (LostError: session, model or future is gone). Messages are one line, without keys.
 */
import { UserError } from '../errors.js';

/** A request that the server refused or failed, or a server that cannot be reached or understood. */
export class TinkerError extends UserError {
  override name = 'TinkerError';

  constructor(
    message: string,
    /** HTTP status, if there was an answer. */
    readonly status?: number,
  ) {
    super(message);
  }
}

/** The answer to a request that must not be repeated was lost: it is unknown whether the server acted. */
export class UnknownOutcomeError extends TinkerError {
  override name = 'UnknownOutcomeError';
}

/** The server no longer has the session, model or future: it restarted, or the session expired. */
export class LostError extends TinkerError {
  override name = 'LostError';
}

/** Text from a server on one line: no control characters, limited length. */
export function oneLine(text: string, longest = 300): string {
  const line = text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}

/** `detail` of an error answer: a text, or FastAPI's list of places and messages. */
export function describeDetail(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { detail, error } = body as { detail?: unknown; error?: unknown };
  if (typeof detail === 'string') return oneLine(detail);
  if (typeof error === 'string') return oneLine(error);
  if (!Array.isArray(detail)) return undefined;
  const lines = detail.slice(0, 3).map((item: unknown) => {
    const { loc, msg } = (item ?? {}) as { loc?: unknown; msg?: unknown };
    const place = Array.isArray(loc) ? loc.filter((part) => part !== 'body').join('.') : '';
    return `${place === '' ? '' : `${place}: `}${String(msg ?? 'not valid')}`;
  });
  return oneLine(lines.join('; '));
}
