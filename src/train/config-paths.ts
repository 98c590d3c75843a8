/**
 * Resolves files named in a configuration: relative to the current folder or, if no such file exists there, to the
 * folder of the configuration, so that a recipe finds its module wherever it is installed.
 */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { isCreditName } from '../objective/index.js';

/** Keys that name files, or lists of files. */
const KEYS = [
  ['task', 'path'],
  ['objective', 'credit'],
  ['task', 'train'],
  ['task', 'held_out_files'],
  ['model', 'path'],
  ['model', 'tokenizer'],
] as const;

type Section = Record<string, unknown>;

/** The content of a configuration file with resolved paths. @param file the configuration's */
export function withPathsOf(content: unknown, file: string): unknown {
  if (!isSection(content)) return content;
  const changed: Section = { ...content };
  for (const [section, key] of KEYS) {
    const values = changed[section];
    if (!isSection(values) || values[key] === undefined) continue;
    const value = values[key];
    if (key === 'credit' && typeof value === 'string' && isCreditName(value)) continue;
    changed[section] = {
      ...values,
      [key]: Array.isArray(value) ? value.map((path) => located(path, file)) : located(value, file),
    };
  }
  return changed;
}

function located(path: unknown, file: string): unknown {
  if (typeof path !== 'string' || path === '' || isAbsolute(path) || existsSync(path)) return path;
  const beside = join(dirname(resolve(file)), path);
  return existsSync(beside) ? relative(process.cwd(), beside).split(sep).join('/') : path;
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
