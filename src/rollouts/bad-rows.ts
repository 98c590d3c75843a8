/**
 * Rows that cannot be read: all are counted, the first ten are kept, and at the end they are an error unless bad rows
 * are skipped.
 */
import { RolloutError } from './values.js';

export interface BadRow {
  readonly file: string;
  /** From 1 (in Parquet: row); null: the file as a whole. */
  readonly line: number | null;
  /** One line, beginning with file and line. */
  readonly message: string;
}

const SHOWN = 10;

/** The faults of a log's rows: the only one, or their number and the first ten, one line each. */
export class BadRowsError extends RolloutError {
  override name = 'BadRowsError';

  constructor(
    readonly count: number,
    /** The first ten. */
    readonly rows: readonly BadRow[],
  ) {
    const more = count - rows.length;
    super(
      count === 1
        ? rows[0].message
        : [
            `${count} bad rows:`,
            ...rows.map(({ message }) => `  ${message}`),
            ...(more > 0 ? [`  and ${more} more`] : []),
          ].join('\n'),
    );
  }
}

/** Counts bad rows and reports each to a callback. */
export class BadRows {
  private count = 0;
  private readonly first: BadRow[] = [];

  constructor(private readonly tell?: (bad: BadRow) => void) {}

  add(bad: BadRow): void {
    this.count++;
    if (this.first.length < SHOWN) this.first.push(bad);
    this.tell?.(bad);
  }

  /** @throws BadRowsError if there were any */
  check(): void {
    if (this.count > 0) throw new BadRowsError(this.count, this.first);
  }
}

/** A message that begins with file and line, unless it already does. */
export function placed(file: string, line: number | null, message: string): string {
  if (file === '' || message.startsWith(file)) return message;
  return `${file}${line === null ? '' : `:${line}`}: ${message}`;
}
