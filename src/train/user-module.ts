/**
 * Finds and loads a user module (user-hooks.mjs) and returns its exports. user-watch.ts guards against faults of its
 * code.
 */
import { statSync } from 'node:fs';
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CallUser, TaskError } from '../task/index.js';

/**
 * The default export of a module; if it is a function, its result for the options.
 * @throws TaskError in one line for a module that does not exist or fails
 */
export async function loadDefinition(
  path: string,
  options: Readonly<Record<string, unknown>>,
  call: CallUser,
): Promise<unknown> {
  const loaded = await load(path, 'task.path', call);
  return call('default export', () => {
    const exported = loaded.default;
    return typeof exported === 'function' ? (exported(options) as unknown) : exported;
  });
}

/**
 * An export of a module by name (ESM or CommonJS); undefined: none.
 * @param key of the configuration that names the module
 * @throws TaskError in one line for a module that does not exist or fails
 */
export async function loadExport(path: string, name: string, key: string, call: CallUser): Promise<unknown> {
  const loaded = await load(path, key, call);
  return call('export', () => loaded[name] ?? (loaded.default as Exports | null | undefined)?.[name]);
}

type Exports = Readonly<Record<string, unknown>>;

async function load(path: string, key: string, call: CallUser): Promise<Exports> {
  const file = resolve(path);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new TaskError(`${key}: expected a module, got '${path}', which does not exist in ${process.cwd()}`);
  }
  const url = pathToFileURL(file).href;
  hook(url);
  return call('loading', () => import(/* @vite-ignore */ url) as Promise<Exports>);
}

const hooked = new Set<string>();

function hook(entry: string): void {
  if (hooked.has(entry)) return;
  hooked.add(entry);
  const home = new URL('../../', import.meta.url).href;
  register(new URL('./user-hooks.mjs', import.meta.url), { data: { entry, home } });
  // Source maps make errors show lines of the user's file instead of those of the compiled code.
  process.setSourceMapsEnabled(true);
}
