/**
 * A worker that reads a log with the readers of `lambda-grpo analyze`: one group at a time, its tree, and the figures
 * of all groups. The file never leaves the browser.
 */
import { analyzeRead } from '../../src/analysis/analyze-read.js';
import { LogGatherer } from '../../src/analysis/gather.js';
import { GroupChoice } from '../../src/analysis/report/choice.js';
import type { ReportData } from '../../src/analysis/report/data.js';
import { figuresMarkup } from '../../src/analysis/report/figures-markup.js';
import { UserError } from '../../src/errors.js';
import { blobSource } from '../../src/input/web.js';
import { BadRowsError, placed } from '../../src/rollouts/bad-rows.js';
import { type ReadOptions, readGroups } from '../../src/rollouts/read.js';

/** A file and its path within the chosen folder. */
export interface LogFile {
  readonly blob: Blob;
  readonly path: string;
}

export type LogOptions = Pick<
  ReadOptions,
  'format' | 'keys' | 'groupSize' | 'rewardWeights' | 'skipBad' | 'splitMerged'
>;

export interface ToLog {
  readonly files: readonly LogFile[];
  readonly options: LogOptions;
}

export type FromLog =
  /** Bytes read of the files on disk; a Parquet file counts when it has been read completely. */
  | { readonly kind: 'progress'; readonly bytes: number; readonly groups: number }
  | {
      readonly kind: 'done';
      readonly data: ReportData;
      /** Markup of the figures. */
      readonly figures: string;
      readonly tokens: number;
      readonly skipped: number;
    }
  /** @param rows true if only some rows could not be read, and the log can be read without them */
  | { readonly kind: 'fault'; readonly message: string; readonly rows: boolean };

const scope = self as unknown as {
  postMessage(message: FromLog): void;
  onmessage: ((event: MessageEvent<ToLog>) => void) | null;
};

/** Time between two progress reports, ms. */
const REPORT = 100;
/** Notes of a kind that are shown; the others are only counted. */
const SHOWN = 10;
const PAGE_HEADING = 3;
const JUDGED =
  'advantages are computed from the rewards as in the paper, with the standard deviation of the group';

class Notes {
  readonly lines: string[] = [];
  private readonly counts = new Map<string, number>();

  add(kind: string, message: string): void {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count <= SHOWN) this.lines.push(`${kind}: ${message}`);
  }

  countOf(kind: string): number {
    return this.counts.get(kind) ?? 0;
  }

  get all(): string[] {
    const more = [...this.counts].filter(([, count]) => count > SHOWN);
    return [...this.lines, ...more.map(([kind, count]) => `${kind}: and ${count - SHOWN} more`), JUDGED];
  }
}

async function read({ files, options }: ToLog): Promise<void> {
  const gatherer = new LogGatherer();
  const choice = new GroupChoice();
  const notes = new Notes();
  const sizes = new Map(files.map(({ blob, path }) => [path, blob.size]));
  let before = 0;
  let within = 0;
  let groups = 0;
  let reported = performance.now();
  const report = (): void => {
    const now = performance.now();
    if (now - reported < REPORT) return;
    reported = now;
    scope.postMessage({ kind: 'progress', bytes: before + within, groups });
  };
  const source = readGroups(
    files.map(({ blob, path }) => blobSource(blob, path)),
    {
      ...options,
      onBad: ({ message }) => notes.add('left out', message),
      onNote: ({ file, line, message, warning }) =>
        notes.add(warning ? 'warning' : 'note', placed(file, line, message)),
      onRead: ({ file, bytes }) => {
        const size = sizes.get(file) ?? 0;
        within = bytes === null ? 0 : Math.min(bytes, size);
        if (bytes === null) before += size;
        report();
      },
    },
  );
  for await (const group of source) {
    try {
      const analysis = analyzeRead(group);
      choice.add(group, analysis, gatherer.add(group, analysis));
      groups++;
    } catch (error) {
      if (!(error instanceof UserError) || options.skipBad !== true) throw error;
      notes.add('left out', error.message);
    }
    report();
  }
  if (groups === 0) throw new UserError('expected a log with groups, got none');
  const analysis = gatherer.result();
  scope.postMessage({
    kind: 'done',
    data: choice.data,
    figures: figuresMarkup(analysis, notes.all, PAGE_HEADING),
    tokens: analysis.all.tokens,
    skipped: notes.countOf('left out'),
  });
}

scope.onmessage = ({ data }) => {
  read(data).catch((error: Error) =>
    scope.postMessage({
      kind: 'fault',
      message: error.message,
      rows: error instanceof BadRowsError,
    }),
  );
};
