/**
 * Annotations of prime-rl's traces (`traces/annotations/<producer>`): updates written after a trace, one per line, with
 * facts (the step it was trained in, its advantage) and values per token of a branch (advantages, the trainer's ln π,
 * entropies). They apply in the order of files and lines; the newest wins. They are stored in a temporary file in
 * Node.js; memory holds only their offsets.
 */
import { JsonError, JsonReader, linesOf, readBlocks, type Scratch, type Source } from '../input/index.js';
import { isList, isObject, type Json, type JsonObject } from './values.js';

/** Values of each token of a branch's whole path; NaN if unknown. */
const STREAMS = ['advantages', 'trainer_logprobs', 'entropies'] as const;
export type StreamName = (typeof STREAMS)[number];

export interface TraceUpdate {
  readonly step: number | null;
  readonly advantage: number | null;
  readonly branches: readonly ({ readonly index: number } & {
    readonly [name in StreamName]?: Float32Array;
  })[];
}

/** Whether a row is an update of a trace. */
export function isUpdate(row: JsonObject): boolean {
  return typeof row.trace_id === 'string' && row.version !== undefined && isList(row.branches);
}

export class TraceUpdates {
  private readonly places = new Map<string, number[]>();

  private constructor(private readonly scratch: Scratch) {}

  /**
   * @param files in the order in which they were written
   * @param bad called with each line that is not an update
   */
  static async read(
    files: readonly Source[],
    scratch: () => Scratch,
    bad: (file: string, line: number, message: string) => void,
  ): Promise<TraceUpdates> {
    const updates = new TraceUpdates(scratch());
    try {
      for (const file of files) await updates.add(file, bad);
    } catch (error) {
      updates.close();
      throw error;
    }
    return updates;
  }

  /** The updates of a trace, oldest first. */
  updatesOf(trace: string): TraceUpdate[] {
    return (this.places.get(trace) ?? []).map((place) => this.scratch.read(place) as TraceUpdate);
  }

  close(): void {
    this.scratch.close();
    this.places.clear();
  }

  private async add(
    source: Source,
    bad: (file: string, line: number, message: string) => void,
  ): Promise<void> {
    const file = source.name;
    const json = new JsonReader();
    for await (const block of readBlocks(source)) {
      for (const line of linesOf(block)) {
        const where = `${file}:${line.number}`;
        let row: Json = null;
        try {
          if (line.isText) row = json.parse(line.bytes, line.start, line.end);
        } catch (error) {
          if (!(error instanceof JsonError)) throw error;
        }
        if (!isObject(row) || !isUpdate(row)) {
          bad(file, line.number, `${where}: expected an update of a trace, as one JSON object per line`);
          continue;
        }
        const place = this.scratch.put(updateOf(row));
        const trace = row.trace_id as string;
        const known = this.places.get(trace);
        if (known) known.push(place);
        else this.places.set(trace, [place]);
      }
    }
  }
}

function updateOf(row: JsonObject): TraceUpdate {
  const info = isObject(row.info) ? row.info : {};
  const ship = isObject(info.ship) ? info.ship.step : undefined;
  const branches = (row.branches as Json[]).flatMap((branch) => {
    if (!isObject(branch) || typeof branch.index !== 'number') return [];
    const streams = STREAMS.flatMap((name) => {
      const values = branch[name];
      if (!isList(values)) return [];
      return [[name, Float32Array.from(values, (v) => (typeof v === 'number' ? v : Number.NaN))]];
    });
    return [{ index: branch.index, ...Object.fromEntries(streams) }];
  });
  return {
    step: typeof ship === 'number' && Number.isInteger(ship) && ship >= 0 ? ship : null,
    advantage: typeof info.advantage === 'number' ? info.advantage : null,
    branches,
  };
}
