/**
 * The event file of a run (`log.tensorboard`) for `tensorboard --logdir`: every figure of metrics.jsonl as
 * `train/<name>` or `warmup/<name>`. metrics.jsonl is authoritative: when a run continues from a checkpoint, a new
 * event file is written from the records that are kept and replaces the old one.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { append, remove, writeWhole } from '../files/index.js';
import {
  concatenated,
  eventFileHead,
  readScalarEvents,
  type ScalarValue,
  scalarRecord,
} from './event-file.js';
import { METRICS, type MetricName, type MetricsLine } from './metrics.js';

const NAME = /^events\.out\.tfevents\.(\d+)\.lambda-grpo$/;

export class EventLog {
  /** Path of the current file; null: none has been written. */
  private file: string | null = null;
  /** Tags whose description was written. */
  private readonly described = new Set<string>();

  /** @param folder of the run; @param now Unix time, s */
  constructor(
    private readonly folder: string,
    private readonly now: () => number = () => Date.now() / 1000,
  ) {}

  /** Adds a record with the current time. @throws FileError */
  async append(line: MetricsLine): Promise<void> {
    this.file ??= await this.begin([]);
    await append(this.file, this.recordOf(line, this.now()));
  }

  /**
   * Writes the file again from these records, with their original times; later records are removed. @throws FileError
   */
  async rebuild(lines: readonly MetricsLine[]): Promise<void> {
    const old = await eventFiles(this.folder);
    const times = new Map<string, number>();
    for (const name of old) {
      for (const { time, step, tags } of readScalarEvents(await readFile(join(this.folder, name)))) {
        if (tags.length > 0) times.set(`${tags[0].split('/')[0]} ${step}`, time);
      }
    }
    const now = this.now();
    this.described.clear();
    this.file = await this.begin(
      lines.map((line) => this.recordOf(line, times.get(`${line.phase} ${line.step}`) ?? now)),
    );
    for (const name of old) await remove(join(this.folder, name));
  }

  /** A new file: TensorBoard follows the file with the latest name. */
  private async begin(records: readonly Uint8Array[]): Promise<string> {
    const latest = (await eventFiles(this.folder)).map((name) => Number(NAME.exec(name)?.[1]));
    const now = this.now();
    const second = Math.max(Math.floor(now), ...latest.map((time) => time + 1));
    const file = join(this.folder, `events.out.tfevents.${String(second).padStart(10, '0')}.lambda-grpo`);
    await writeWhole(file, concatenated([eventFileHead(now), ...records]));
    return file;
  }

  private recordOf(line: MetricsLine, time: number): Uint8Array {
    const { phase, step, ...figures } = line;
    const values: ScalarValue[] = [];
    for (const [name, value] of Object.entries(figures)) {
      if (typeof value !== 'number') continue;
      const tag = `${phase}/${name}`;
      const [unit, meaning]: readonly string[] = METRICS[name as MetricName] ?? ['', ''];
      const first = !this.described.has(tag) && meaning !== '';
      this.described.add(tag);
      values.push({
        tag,
        value,
        ...(first ? { description: unit === '' ? meaning : `${meaning} (${unit})` } : {}),
      });
    }
    return scalarRecord({ time, step, values });
  }
}

/** Names of the event files in a run's folder. */
export async function eventFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => NAME.test(name)).sort();
}
