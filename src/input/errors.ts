/** The error for unreadable input, shared by all folders that read external files. */
import { UserError } from '../errors.js';

/** A file that cannot be read, unpacked or parsed; names the file and, if known, the line. */
export class InputError extends UserError {
  override name = 'InputError';
}

/** The message of a thrown value, on one line. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim();
}
