/** Opens files for the dashboard. A file is refused unless it lies inside its folder after all links are resolved. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';

/**
 * The real path after resolving links.
 * @param root the folder that must not be left
 * @param parts names below it, one per level
 * @returns null if it does not exist or lies outside
 */
export async function resolveInside(root: string, parts: readonly string[]): Promise<string | null> {
  if (parts.some((part) => !isName(part))) return null;
  try {
    const base = await realpath(root);
    const path = await realpath(join(base, ...parts));
    const way = relative(base, path);
    if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return null;
    return path;
  } catch {
    return null;
  }
}

/**
 * Opens a file for reading.
 * @returns null if it does not exist, is not a regular file, or lies outside of `root`
 */
export async function openInside(root: string, parts: readonly string[]): Promise<FileHandle | null> {
  const path = await resolveInside(root, parts);
  if (path === null) return null;
  // Links are already resolved, so a link here was created since then; opening a pipe must not block.
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
  if (handle === null) return null;
  let isFile = false;
  try {
    isFile = (await handle.stat()).isFile();
    return isFile ? handle : null;
  } finally {
    if (!isFile) await handle.close();
  }
}

/** Whether a part of a path is one plain name. */
export function isName(part: string): boolean {
  return part !== '' && part !== '.' && part !== '..' && !/[/\\\0]/.test(part);
}
