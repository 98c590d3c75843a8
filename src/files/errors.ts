/** What the system refused, as one line for the person who can mend it. */
import { UserError } from '../errors.js';

/** A file or folder that cannot be written. */
export class FileError extends UserError {
  override name = 'FileError';

  /** @param code of the system's error, e.g. ENOSPC; undefined where there was none */
  constructor(
    message: string,
    readonly code?: string,
  ) {
    super(message);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EMFILE: 'too many files are open in this process',
  ENFILE: 'too many files are open on this machine',
  ENOENT: 'its folder does not exist, or was removed',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder has this name',
  EEXIST: 'it exists already',
  ENAMETOOLONG: 'the name is too long',
  EIO: 'the disk failed to read or write',
  EFBIG: 'the file is too large for this file system',
  ESTALE: 'the folder is no longer on its server',
};

/** Why the system refused, in words; other errors say it themselves, in their first line. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason !== undefined) return `${reason} (${code})`;
  return (error instanceof Error ? message : String(error)).split('\n')[0];
}

/** @param what the sentence's end before the reason */
export function fileError(path: string, error: unknown, what = 'cannot be written'): FileError {
  if (error instanceof FileError) return error;
  return new FileError(`${path}: ${what}: ${reasonOf(error)}`, (error as NodeJS.ErrnoException).code);
}
