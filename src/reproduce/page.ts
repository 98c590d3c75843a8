/**
 * Writes a report to files: `<name>.md`, `<name>.json`, one file per figure, and `claims.md`, the table of all
 * experiments.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Document, isScalar, visit } from 'yaml';
import { UserError } from '../errors.js';
import { makeFolder, writeWhole } from '../files/index.js';
import type { Experiment, Report, Verdict } from './experiment.js';
import { table } from './markdown.js';

/** How the units were done. */
export interface Making {
  readonly version: string;
  readonly command: string;
  readonly quick: boolean;
  /** Work of all units, each on one thread. */
  readonly seconds: number;
  /** Number of units that ran at the same time. */
  readonly jobs: number;
  /** Finished and planned units, for a page that was written before the end; absent: all are finished. */
  readonly units?: readonly [done: number, planned: number];
  readonly date: string;
  /** Machines of the units (machine.ts). */
  readonly machine: string;
}

/** Changes to the page after its units were run. */
export interface Revision {
  readonly date: string;
  readonly text: string;
}

/** `<name>.json`. */
export interface ReportFile {
  readonly experiment: string;
  readonly title: string;
  readonly verdict: Verdict;
  readonly summary: string;
  readonly making: Making;
  /** The newest is the last. */
  readonly revisions?: readonly Revision[];
  readonly settings: unknown;
  readonly data: unknown;
}

/**
 * Reads the file of an earlier report.
 * @throws UserError if there is none, or it belongs to another experiment
 */
export function readReport(out: string, { name }: Experiment): ReportFile {
  const path = join(out, `${name}.json`);
  let file: Partial<ReportFile>;
  try {
    file = JSON.parse(readFileSync(path, 'utf8')) as Partial<ReportFile>;
  } catch (error) {
    throw new UserError(`${path}: cannot be read: ${(error as Error).message}`);
  }
  const { experiment, making, settings, data } = file;
  if (experiment !== name || !making || !settings || !data) {
    throw new UserError(`${path}: expected the figures of ${name} with making, settings and data`);
  }
  return file as ReportFile;
}

/** @returns the page's path. @throws FileError if the folder cannot be written */
export async function writeReport(
  out: string,
  experiment: Experiment,
  { making, revisions, settings, data }: Pick<ReportFile, 'making' | 'revisions' | 'settings' | 'data'>,
  report: Report,
): Promise<string> {
  const { name } = experiment;
  const file: ReportFile = {
    experiment: name,
    title: experiment.title,
    verdict: report.verdict,
    summary: report.summary,
    making,
    ...(revisions ? { revisions } : {}),
    settings,
    data,
  };
  await makeFolder(out);
  for (const [figure, svg] of Object.entries(report.figures))
    await writeWhole(join(out, `${name}-${figure}.svg`), svg);
  await writeWhole(join(out, `${name}.json`), `${compactJson(file)}\n`);
  const path = join(out, `${name}.md`);
  await writeWhole(path, page(experiment, file, report.body));
  await writeWhole(join(out, 'claims.md'), claims(out));
  return path;
}

function page(
  experiment: Experiment,
  { verdict, summary, making, revisions = [], settings }: ReportFile,
  body: string,
): string {
  const small = making.quick
    ? '\n> A smoke version (`--quick`): everything ran, nothing can be concluded from its figures.\n'
    : '';
  const open = making.units
    ? `\n> So far: ${making.units[0]} of ${making.units[1]} units of work are done. Tables take complete seeds alone and say how many.\n`
    : '';
  return `# ${experiment.title}
${small}${open}
**${capital(verdict)}.** ${summary}.

- **Claim.** ${experiment.claim}
- **Prediction.** ${experiment.prediction}
- **Rule.** ${experiment.rule}

${body.trim()}
${changes(revisions)}
## Configuration

\`\`\`yaml
${yaml(settings)}
\`\`\`

Made by \`${making.command}\`, version ${making.version}, on ${making.machine}, ${making.date}. Units of work took
${duration(making.seconds)} in all, each on one thread, ${making.jobs} at a time; data behind tables and figures: \`${experiment.name}.json\`.
`;
}

function changes(revisions: readonly Revision[]): string {
  if (revisions.length === 0) return '';
  return `\n## Changes\n\n${revisions.map(({ date, text }) => `- ${date}: ${text}`).join('\n')}\n`;
}

/** Settings in the style of a configuration file, with lists of numbers on one line. */
function yaml(settings: unknown): string {
  const document = new Document(settings);
  visit(document, {
    Seq(_, list) {
      list.flow = list.items.every(isScalar);
    },
  });
  return document.toString({ lineWidth: 110 }).trim();
}

/** One row for each report in the folder. */
function claims(out: string): string {
  const files = readdirSync(out)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(out, name), 'utf8')) as Partial<ReportFile>)
    .filter(
      (file): file is ReportFile => typeof file.experiment === 'string' && typeof file.verdict === 'string',
    );
  const rows = files.map(({ experiment, title, verdict, summary, making }) => [
    `[${title}](${experiment}.md)`,
    making.quick ? `${verdict} (smoke version)` : verdict,
    summary,
  ]);
  return `# The paper's claims, tested here\n\n${table(['experiment', 'verdict', 'figures'], rows)}\n`;
}

/** JSON with line breaks, except for values nested three levels deep: small files with readable diffs. */
function compactJson(value: unknown, level = 0): string {
  if (value === null || typeof value !== 'object' || level >= 3) return JSON.stringify(value);
  const pad = ' '.repeat(level + 1);
  if (Array.isArray(value)) {
    if (!value.some((item) => item !== null && typeof item === 'object')) return JSON.stringify(value);
    return `[\n${value.map((item) => pad + compactJson(item, level + 1)).join(',\n')}\n${' '.repeat(level)}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  const lines = entries.map(([key, item]) => `${pad}${JSON.stringify(key)}: ${compactJson(item, level + 1)}`);
  return `{\n${lines.join(',\n')}\n${' '.repeat(level)}}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} minutes`;
}
