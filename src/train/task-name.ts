/**
 * Display names of tasks: the file of a module, the files of problems, the label of a task given in code, or the name
 * of a built-in task.
 */
import { basename } from 'node:path';
import type { Config } from './config.js';

/** @example taskName(config) // 'word-sums', of task: { name: module, path: tasks/word-sums.ts } */
export function taskName({ task }: Pick<Config, 'task'>): string {
  if (task.name === 'module') return basename(task.path).replace(/\.[cm]?[jt]s$/, '');
  if (task.name === 'math') {
    const names = task.train.map((file) => basename(file).replace(/\.(jsonl?|parquet)(\.(gz|zst))?$/, ''));
    return names.length > 2 ? `${names[0]} and ${names.length - 1} more` : names.join(' + ');
  }
  return task.name === 'custom' && task.label !== '' ? task.label : task.name;
}
