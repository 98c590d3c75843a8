/** Shared by all benchmarks: medians, tables, and a description of the machine. */
import { cpus } from 'node:os';
import { argv, version } from 'node:process';
import { fileURLToPath } from 'node:url';

export { median } from '../src/statistics/index.js';

export type Row = Readonly<Record<string, string | number>>;

/** True if the module was started as a program. */
export function isMain(url: string): boolean {
  return argv[1] === fileURLToPath(url);
}

export function machine(): string {
  const list = cpus();
  return `${list.length} × ${list[0]?.model.trim() ?? 'unknown processor'}, Node.js ${version}`;
}

/** Rows as a Markdown table. */
export function markdownTable(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(names),
    line(names.map(() => '---')),
    ...rows.map((row) => line(names.map((name) => row[name]))),
  ].join('\n');
}

export function printRows(title: string, rows: readonly Row[]): void {
  console.log(`\n### ${title}\n\n${markdownTable(rows)}`);
}
