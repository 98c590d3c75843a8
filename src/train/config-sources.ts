/**
 * Combines a configuration file with changes to it (`--set`, `--method`, `--model`, `--seed`, a variant of a
 * comparison). All changes are collected before one check, so their order does not matter. A new method drops keys of
 * the file that belong to the old method; a new loss drops what follows from the old loss; a new model drops the old
 * revision.
 */
import { type Config, ConfigError, checkConfig, type Method, NORMALISATION } from './config.js';
import { readYaml } from './yaml.js';

/** Changes to a configuration; two different values for the same key are refused. */
export interface ConfigChanges {
  /** `section.key=value`, each value as YAML. */
  readonly set?: readonly string[];
  readonly method?: Method;
  /** Folder of a model, or its name on the Hub. */
  readonly model?: string;
  readonly seed?: number;
  /** p of the weight |λ|^−p. */
  readonly exponent?: number;
}

/**
 * @param file name for errors; @param prepared transforms its content before it is changed and checked
 * @throws ConfigError naming file, line or option, key, what is expected and what came
 */
export function parseConfig(
  text: string,
  file: string,
  changes: ConfigChanges = {},
  prepared: (content: unknown) => unknown = (content) => content,
): Config {
  const yaml = readYaml(text);
  if ('problems' in yaml) {
    throw new ConfigError(yaml.problems.map(({ line, message }) => `${file}:${line}: ${message}`).join('\n'));
  }
  const place = (path: readonly PropertyKey[]) => {
    const line = yaml.lineOf(path);
    return line === null ? `${file}: ` : `${file}:${line}: `;
  };
  return collected(prepared(yaml.value ?? {}), changes, place);
}

/** @throws ConfigError naming key, what is expected and what came */
export function resolveConfig(object: unknown, changes: ConfigChanges = {}): Config {
  return collected(object, changes, () => '');
}

/**
 * The same run with some keys changed. @throws ConfigError for an invalid change, and for values that the schema
 * refuses
 */
export function changeConfig(config: Config, changes: ConfigChanges): Config {
  return resolveConfig(config, changes);
}

/**
 * The same run under another method: everything else is equal, the λ exponent is that of the method, nothing is
 * rescaled.
 */
export function withMethod(config: Config, method: Method): Config {
  return changeConfig(config, { method });
}

/** The same run under a credit rule: a published one's name, or the file of a module. */
export function withCredit(config: Config, credit: string): Config {
  const plain = withMethod(config, 'grpo');
  return resolveConfig({ ...plain, objective: { ...plain.objective, credit } });
}

/** The same run with each token's term weighted by |λ|^−p, p ≥ 0: GRPO at 0, λ-GRPO at 1. */
export function withExponent(config: Config, exponent: number): Config {
  return changeConfig(config, { method: exponent === 0 ? 'grpo' : 'lambda-grpo', exponent });
}

/** The same run from another seed. */
export function withSeed(config: Config, seed: number): Config {
  return changeConfig(config, { seed });
}

interface Edit {
  readonly path: readonly string[];
  readonly value: unknown;
  /** The option that set it. */
  readonly origin: string;
}

type Section = Record<string, unknown>;

function collected(
  base: unknown,
  changes: ConfigChanges,
  place: (path: readonly PropertyKey[]) => string,
): Config {
  const edits = editsOf(changes);
  const changed = edits.length === 0 ? base : withoutDependents(base, applied(base, edits), edits);
  return checkConfig(changed, (path) => {
    const edit =
      edits.findLast((candidate) => covers(candidate, path)) ??
      edits.find((candidate) => path.length > 0 && path.every((key, i) => candidate.path[i] === key));
    return edit ? `${edit.origin}: ` : place(path);
  });
}

/** All changes, sections before the keys in them. @throws ConfigError for an invalid change, or two different values */
function editsOf({ set = [], method, model, seed, exponent }: ConfigChanges): Edit[] {
  const edits: Edit[] = set.map(editOf);
  const add = (key: string, value: unknown, origin: string): void => {
    if (value !== undefined) edits.push({ path: key.split('.'), value, origin });
  };
  add('method', method, '--method');
  add('model.path', model, '--model');
  add('seed', seed, '--seed');
  add('objective.lambda_exponent', exponent, 'exponent');
  for (const [i, { path, value, origin }] of edits.entries()) {
    const key = path.join('.');
    const other = edits.slice(0, i).find((before) => before.path.join('.') === key);
    if (other && !isSame(other.value, value)) {
      throw new ConfigError(
        `${origin}: ${key}: expected one value, got ${JSON.stringify(other.value)}${other.origin === origin ? '' : ` with ${other.origin}`} and ${JSON.stringify(value)}`,
      );
    }
  }
  return edits.sort((a, b) => a.path.length - b.path.length);
}

/** Whether two YAML values are equal, regardless of the order of keys. */
function isSame(a: unknown, b: unknown): boolean {
  if (!isSection(a) || !isSection(b)) return Object.is(a, b);
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
  );
}

function editOf(change: string): Edit {
  const [, key, text] = /^([\w.]+)=(.*)$/s.exec(change) ?? [];
  if (key === undefined || /(^|\.)(__proto__)?(\.|$)/.test(key)) {
    throw new ConfigError(`--set: expected section.key=value, got '${change}'`);
  }
  const yaml = readYaml(text);
  if ('problems' in yaml) {
    const { message } = yaml.problems[0];
    throw new ConfigError(`--set: ${key}: expected a value in YAML, got '${text}': ${message}`);
  }
  return { path: key.split('.'), value: yaml.value, origin: '--set' };
}

/** A copy with the changes applied; a section that is missing or null is created. */
function applied(base: unknown, edits: readonly Edit[]): unknown {
  const root: unknown = structuredClone(base);
  if (!isSection(root)) return root;
  for (const { path, value } of edits) {
    let at: Section = root;
    for (const key of path.slice(0, -1)) {
      const inner = Object.hasOwn(at, key) ? at[key] : undefined;
      const section: Section = isSection(inner) ? inner : {};
      at[key] = section;
      at = section;
    }
    at[path[path.length - 1]] = structuredClone(value);
  }
  return root;
}

/** Drops keys of the base that belong to another method, loss or model than the changes ask for. */
function withoutDependents(base: unknown, root: unknown, edits: readonly Edit[]): unknown {
  if (!isSection(base) || !isSection(root)) return root;
  const drop = (section: string, key: string): void => {
    const values = root[section];
    if (isSection(values) && !edits.some((edit) => covers(edit, [section, key]))) delete values[key];
  };
  const value = (from: Section, section: string, key: string): unknown => {
    const values = from[section];
    return isSection(values) ? values[key] : undefined;
  };
  if ((root.method ?? 'lambda-grpo') !== (base.method ?? 'lambda-grpo')) {
    drop('objective', 'lambda_exponent');
    drop('objective', 'rescale_to');
  }
  const loss = value(base, 'objective', 'loss') ?? 'dapo';
  const normalisation = value(base, 'objective', 'normalisation');
  if (
    loss !== (value(root, 'objective', 'loss') ?? 'dapo') &&
    NORMALISATION[loss as keyof typeof NORMALISATION] === normalisation
  ) {
    drop('objective', 'normalisation');
  }
  if (value(base, 'model', 'path') !== value(root, 'model', 'path')) drop('model', 'revision');
  return root;
}

/** Whether a change sets the key, or a section that contains it. */
function covers({ path }: Edit, key: readonly PropertyKey[]): boolean {
  return path.length <= key.length && path.every((part, i) => part === String(key[i]));
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null;
}
