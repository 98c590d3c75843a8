/**
 * Results of units in the work folder: `results.jsonl`, one line per unit, appended when the unit is done. A truncated
 * last line is dropped. Lines of another version are ignored, so every reported result was computed by the program that
 * reports it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { append, makeFolder, writeWhole } from '../files/index.js';
import { machine } from './machine.js';
import type { ResultOf, Unit } from './unit.js';
import { outputExists, type UnitSpec } from './work/index.js';

interface Line {
  readonly id: string;
  readonly version: string;
  readonly label: string;
  /** Seconds of the unit. */
  readonly seconds: number;
  /** Absent in folders of older versions. */
  readonly machine?: string;
  readonly result: unknown;
}

/** Results by unit. @throws RangeError for a unit that is not done */
export interface Results {
  get<S extends UnitSpec>(unit: Unit<S>): ResultOf<S>;
  /** Whether a unit is done. */
  has(unit: Unit): boolean;
}

export class ResultStore implements Results {
  private readonly lines = new Map<string, Line>();
  private readonly file: string;

  private constructor(
    readonly folder: string,
    private readonly version: string,
  ) {
    this.file = join(folder, 'results.jsonl');
  }

  /** @throws UserError if the folder cannot be created or its results are not lines of JSON */
  static async open(folder: string, version: string): Promise<ResultStore> {
    const store = new ResultStore(folder, version);
    await makeFolder(folder);
    const text = existsSync(store.file) ? readFileSync(store.file, 'utf8') : '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length || !existsSync(store.file)) await writeWhole(store.file, whole);
    store.read(whole);
    return store;
  }

  /** The finished units, while another process may add more: writes nothing. @throws UserError as `open` */
  static look(folder: string, version: string): ResultStore {
    const store = new ResultStore(folder, version);
    const text = existsSync(store.file) ? readFileSync(store.file, 'utf8') : '';
    store.read(text.slice(0, text.lastIndexOf('\n') + 1));
    return store;
  }

  private read(whole: string): void {
    whole.split('\n').forEach((line, i) => {
      if (line === '') return;
      const entry = parse(line);
      if (!entry)
        throw new UserError(`${this.file}:${i + 1}: no result of a unit; remove the line or the file`);
      if (entry.version === this.version) this.lines.set(entry.id, entry);
    });
  }

  /** Whether a unit is done and its files still exist. */
  has({ id, spec }: Unit): boolean {
    return this.lines.has(id) && outputExists(spec, this.folder, id);
  }

  async add({ id, label }: Unit, seconds: number, result: unknown): Promise<void> {
    const line: Line = {
      id,
      version: this.version,
      label,
      seconds: Number(seconds.toFixed(2)),
      machine: machine(),
      result,
    };
    await append(this.file, `${JSON.stringify(line)}\n`);
    // Converted to JSON and back, so that a resumed run gets the same values as an uninterrupted one.
    this.lines.set(id, JSON.parse(JSON.stringify(line)) as Line);
  }

  get<S extends UnitSpec>(unit: Unit<S>): ResultOf<S> {
    return this.line(unit).result as ResultOf<S>;
  }

  /** Seconds of work behind units, counting each once. */
  seconds(units: readonly Unit[]): number {
    return this.linesOf(units).reduce((sum, { seconds }) => sum + seconds, 0);
  }

  /** Number of units by the machine that did them: a work folder can go on elsewhere. */
  machines(units: readonly Unit[]): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { machine: name = 'a machine that was not recorded' } of this.linesOf(units))
      counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  /** Each unit once. */
  private linesOf(units: readonly Unit[]): Line[] {
    return [...new Map(units.map((u) => [u.id, u])).values()].map((u) => this.line(u));
  }

  private line({ id, label }: Unit): Line {
    const line = this.lines.get(id);
    if (!line) throw new RangeError(`unit ${label} is not done`);
    return line;
  }
}

function parse(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line;
    return typeof line.id === 'string' && typeof line.version === 'string' ? line : null;
  } catch {
    return null;
  }
}
