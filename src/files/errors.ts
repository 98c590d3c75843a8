/** System errors (full disk, missing permission, …) as one-line messages for the user. */
import { UserError } from '../errors.js';

/** A file or folder that cannot be written. */
export class FileError extends UserError {
  override name = 'FileError';

  /** @param code of the system's error, e.g. ENOSPC; undefined if there is none */
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
  ENOENT: 'its folder does not exist or was removed',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder with this name exists',
  EEXIST: 'it already exists',
  ENAMETOOLONG: 'the name is too long',
  EIO: 'the disk failed to read or write',
  EFBIG: 'the file is too large for this file system',
  ESTALE: 'the folder is no longer on its server',
};

/** Libraries that write files themselves (DuckDB) include the system's message in this form. */
const SAID: readonly (readonly [said: RegExp, code: string])[] = [
  [/no space left on device/i, 'ENOSPC'],
  [/read-only file system/i, 'EROFS'],
  [/permission denied/i, 'EACCES'],
  [/too many open files/i, 'EMFILE'],
  [/no such file or directory/i, 'ENOENT'],
];

/** The system's name of the error; undefined if it has none. */
function codeOf(error: unknown): string | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? SAID.find(([pattern]) => pattern.test(message))?.[1];
}

/** The reason in words; for unknown errors, the first line of their message. */
export function reasonOf(error: unknown): string {
  const { message } = error as Error;
  const code = codeOf(error);
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason !== undefined) return `${reason} (${code})`;
  return (error instanceof Error ? message : String(error)).split('\n')[0];
}

/** @param what what went wrong, the text between path and reason */
export function fileError(path: string, error: unknown, what = 'cannot be written'): FileError {
  if (error instanceof FileError) return error;
  return new FileError(`${path}: ${what}: ${reasonOf(error)}`, codeOf(error));
}
