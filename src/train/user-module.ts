/** Modules of the user's: JavaScript as it is; TypeScript by Node.js itself where it can, else by tsx. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TaskError } from '../task/index.js';

/**
 * The default export of a module; of a function, what it makes of the options.
 * @throws TaskError in one line for a module that is not there or that fails
 */
export async function loadDefinition(
  path: string,
  options: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const file = resolve(path);
  if (!existsSync(file))
    throw new TaskError(`${path}: no such module; task.path is taken from ${process.cwd()}`);
  try {
    const url = pathToFileURL(file).href;
    const isTypeScript = /\.[mc]?ts$/.test(file);
    const native = Boolean((process.features as { typescript?: unknown }).typescript);
    const loaded = (isTypeScript && !native ? await byTsx(url) : await import(/* @vite-ignore */ url)) as {
      default?: unknown;
    };
    return typeof loaded.default === 'function' ? await loaded.default(options) : loaded.default;
  } catch (error) {
    if (error instanceof TaskError) throw error;
    throw new TaskError(`${path}: cannot be loaded: ${String((error as Error).message).split('\n')[0]}`);
  }
}

async function byTsx(url: string): Promise<unknown> {
  const { tsImport } = await import('tsx/esm/api');
  return tsImport(url, import.meta.url);
}
