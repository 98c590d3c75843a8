/** A configuration from a file and from the command line: `--seed`, `--method`, `--set section.key=value`. */
import { basename, extname, join } from 'node:path';
import { ConfigError } from '../train/index.js';

/** Parses a whole number from `least` to `most`, for commander. */
export function wholeNumber(
  name: string,
  least: number,
  most = Number.POSITIVE_INFINITY,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most || text.trim() === '') {
      const range = Number.isFinite(most) ? `from ${least} to ${most}` : `of at least ${least}`;
      throw new ConfigError(`${name}: expected a whole number ${range}, got '${text}'`);
    }
    return value;
  };
}

/** Parses `--checkpoint`, a step or `best`, for commander. */
export function stepOrBest(text: string): number | 'best' {
  const step = Number(text);
  if (text === 'best') return text;
  if (!Number.isInteger(step) || step < 0 || text.trim() === '') {
    throw new ConfigError(`--checkpoint: expected best, or the step of a checkpoint, got '${text}'`);
  }
  return step;
}

/** Parses a number above 0, for commander. */
export function positiveNumber(name: string, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value > 0 && value <= most && Number.isFinite(value))) {
      const bound = Number.isFinite(most) ? ` and at most ${most}` : '';
      throw new ConfigError(`${name}: expected a number above 0${bound}, got '${text}'`);
    }
    return value;
  };
}

/** Parses `name=number`, which may be repeated, for commander. */
export function numbersByName(
  name: string,
): (text: string, before?: Readonly<Record<string, number>>) => Record<string, number> {
  return (text, before = {}) => {
    const [, key, number] = /^(.+)=([^=]+)$/.exec(text) ?? [];
    const value = Number(number);
    if (key === undefined || number.trim() === '' || !Number.isFinite(value)) {
      throw new ConfigError(`${name}: expected a name with a finite number, e.g. format=0.5, got '${text}'`);
    }
    return { ...before, [key]: value };
  };
}

/** Parses names separated by commas, for commander. */
export function namesOf(option: string): (text: string) => string[] {
  return (text) => {
    const names = text.split(',').map((name) => name.trim());
    if (names.every((name) => name !== '')) return names;
    throw new ConfigError(`${option}: expected names separated by commas, got '${text}'`);
  };
}

/** The default of `--out`: runs/<name of the configuration file><suffix>. */
export function defaultFolder(file: string, suffix: string): string {
  return join('runs', basename(file, extname(file)) + suffix);
}
