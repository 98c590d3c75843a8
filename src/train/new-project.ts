/**
 * Creates a project (`lambda-grpo init`): a task in TypeScript, its configuration, and files for npm and editors. Task
 * and configuration are copied from recipes/starter/. Existing files are never overwritten; an existing package.json
 * is completed.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.js';
import { makeFolder, remove, writeFolder, writeWhole } from '../files/index.js';

/** A folder in which no project can be created. */
export class NewProjectError extends UserError {
  override name = 'NewProjectError';
}

export interface NewProject {
  /** Names of the files that were written, in the order of writing. */
  readonly written: readonly string[];
  /** Whether `npm start` was free and now trains. */
  readonly starts: boolean;
  /** Whether `npm install` has to run first, because no installed lambda-grpo is found from the folder. */
  readonly needsInstall: boolean;
}

type Json = Record<string, unknown>;

const home = fileURLToPath(new URL('../../', import.meta.url));
const starter = join(home, 'recipes', 'starter');
const START = 'lambda-grpo train train.yaml';

/**
 * @param folder created if it does not exist
 * @throws NewProjectError naming the conflicting file, FileError; nothing is written then
 */
export async function newProject(folder: string): Promise<NewProject> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new NewProjectError(
      `${folder}: expected a folder or a new name, got ${error.code === 'ENOTDIR' ? 'a file' : error.code}`,
    );
  });
  const existing = ['task.ts', 'train.yaml'].find((name) => names.includes(name));
  if (existing !== undefined) {
    throw new NewProjectError(
      `${join(folder, existing)}: already exists; choose another folder: lambda-grpo init <folder>`,
    );
  }
  const packageFile = join(folder, 'package.json');
  const text = names.includes('package.json')
    ? (await readFile(packageFile, 'utf8')).replace(/^\uFEFF/, '')
    : null;
  const before = text === null ? null : parsePackage(text, packageFile);
  const [indent = '  '] = /^[ \t]+(?=")/m.exec(text ?? '') ?? [];
  const after = completed(before ?? {}, resolve(folder), before === null);
  const files = new Map<string, string>();
  for (const name of ['task.ts', 'train.yaml']) files.set(name, readFileSync(join(starter, name), 'utf8'));
  if (!names.includes('tsconfig.json'))
    files.set('tsconfig.json', readFileSync(join(starter, 'tsconfig.json'), 'utf8'));
  if (!names.includes('.gitignore')) files.set('.gitignore', 'node_modules/\nruns/\n');
  // Only in a new package.json, because the setting applies to every package.
  if (before === null && !names.includes('.npmrc'))
    files.set('.npmrc', '# No package here needs its install script.\nignore-scripts=true\n');
  // Last, because it is the only file that may already exist.
  files.set('package.json', `${JSON.stringify(after, null, indent)}\n`);
  await writeAll(folder, names.length === 0, files);
  return {
    written: [...files.keys()],
    starts: (after.scripts as Json).start === START,
    needsInstall: !isInstalledFor(resolve(folder)),
  };
}

function parsePackage(text: string, file: string): Json {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new NewProjectError(`${file}: expected JSON, got something else; correct it and run init again`);
  }
  for (const [part, name] of [
    [content, ''],
    [(content as Json | null)?.scripts ?? {}, ': scripts'],
    [(content as Json | null)?.dependencies ?? {}, ': dependencies'],
    [(content as Json | null)?.devDependencies ?? {}, ': devDependencies'],
  ] as const) {
    if (typeof part !== 'object' || part === null || Array.isArray(part))
      throw new NewProjectError(`${file}${name}: expected an object, got ${JSON.stringify(part)}`);
  }
  return content as Json;
}

/** A package.json with the entries for training; existing entries stay. */
function completed(before: Json, folder: string, fresh: boolean): Json {
  const { version, devDependencies: ours = {} } = JSON.parse(
    readFileSync(join(home, 'package.json'), 'utf8'),
  ) as { version: string; devDependencies?: Record<string, string> };
  const scripts = (before.scripts ?? {}) as Json;
  const dependencies = (before.dependencies ?? {}) as Json;
  const devDependencies = (before.devDependencies ?? {}) as Json;
  const known = 'lambda-grpo' in dependencies || 'lambda-grpo' in devDependencies;
  return {
    ...(fresh ? { name: packageName(folder), private: true } : {}),
    ...before,
    type: before.type ?? 'module',
    scripts: { start: START, ...(fresh ? { typecheck: 'tsc' } : {}), ...scripts },
    ...(known ? {} : { dependencies: { 'lambda-grpo': sourceOf(folder, version), ...dependencies } }),
    ...(fresh && ours.typescript ? { devDependencies: { typescript: ours.typescript } } : {}),
  };
}

/** A valid npm name made from the folder's name. */
export function packageName(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+|-+$/g, '')
    .slice(0, 214);
  // npm refuses these two, and a package cannot depend on a package of its own name.
  return ['', 'node_modules', 'favicon.ico', 'lambda-grpo', 'typescript'].includes(name)
    ? `task-${name}`.replace(/-$/, '')
    : name;
}

/**
 * Where npm finds this package: the tarball or folder that it was installed from, or its version in a registry. Paths
 * are relative to the new project.
 */
function sourceOf(folder: string, version: string): string {
  const local = (path: string): string => `file:${(relative(folder, path) || '.').split(sep).join('/')}`;
  const parent = dirname(home.endsWith(sep) ? home.slice(0, -1) : home);
  if (basename(parent) !== 'node_modules') return local(home);
  try {
    const { packages } = JSON.parse(readFileSync(join(parent, '.package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string }>;
    };
    const { resolved = '' } = packages['node_modules/lambda-grpo'] ?? {};
    if (resolved.startsWith('file:'))
      return local(resolve(dirname(parent), decodeURI(resolved.slice('file:'.length))));
  } catch {
    // Another package manager, which has no such list.
  }
  return `^${version}`;
}

/** Whether npm scripts in a folder find the program: in its node_modules, or in those of a parent folder. */
function isInstalledFor(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    try {
      readFileSync(join(at, 'node_modules', 'lambda-grpo', 'package.json'));
      return true;
    } catch {
      if (dirname(at) === at) return false;
    }
  }
}

async function writeAll(folder: string, empty: boolean, files: ReadonlyMap<string, string>): Promise<void> {
  if (empty) {
    await makeFolder(dirname(resolve(folder)));
    // The current folder cannot be replaced.
    if (resolve(folder) !== process.cwd()) {
      await writeFolder(resolve(folder), async (inner) => {
        for (const [name, text] of files) await writeWhole(join(inner, name), text);
      });
      return;
    }
  }
  const written: string[] = [];
  try {
    for (const [name, text] of files) {
      await writeWhole(join(folder, name), text);
      written.push(name);
    }
  } catch (error) {
    for (const name of written) await remove(join(folder, name)).catch(() => {});
    throw error;
  }
}
