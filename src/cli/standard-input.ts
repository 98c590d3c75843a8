/**
 * The path `-`: standard input. It is copied to a temporary file, because the format is detected before reading and
 * compressed files are checked first. Messages name that file "standard input".
 */
import { UserError } from '../errors.js';
import { ScratchFile } from '../files/index.js';

const NAME = 'standard input';

/** The paths to read, and a function that converts a text that names them for display. */
type Command = (paths: readonly string[], shown: (text: string) => string) => Promise<void>;

/**
 * @throws UserError if standard input is a terminal, FileError if it cannot be stored; what the command throws, with
 * the name replaced
 */
export async function withStandardInput(paths: readonly string[], command: Command): Promise<void> {
  if (!paths.includes('-')) return command(paths, (text) => text);
  if (process.stdin.isTTY) throw new UserError('-: expected a log piped into standard input, got a terminal');
  const kept = new ScratchFile();
  const shown = (text: string) => text.replaceAll(kept.path, NAME);
  try {
    for await (const chunk of process.stdin) kept.append(chunk as Buffer);
    await command(
      paths.map((path) => (path === '-' ? kept.path : path)),
      shown,
    );
  } catch (error) {
    if (error instanceof Error) error.message = shown(error.message);
    throw error;
  } finally {
    kept.close();
  }
}
