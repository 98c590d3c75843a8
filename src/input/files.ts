/**
 * File sources for Node.js: zlib decompresses, DuckDB reads Parquet, and data beyond the memory limit goes to the
 * temporary folder.
 */
import { open } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { ScratchFile } from '../files/index.js';
import { parquetColumns, parquetRows } from './duckdb.js';
import { gunzip } from './gzip.js';
import type { Machine, OpenSource, Scratch, Source } from './source.js';

export { openDuckDB, parquetColumns, parquetRows, parquetTable, parquetTarget } from './duckdb.js';

const machine: Machine = {
  gunzip,
  parquet: {
    columns: ({ name }) => parquetColumns(name),
    rows: ({ name }, columns) => parquetRows(name, columns),
  },
  scratch: () => new ScratchOnDisk(),
};

/** The file of this path, opened when it is first read. */
export function fileSource(path: string): Source {
  return { name: path, machine, open: () => openFile(path) };
}

async function openFile(path: string): Promise<OpenSource> {
  const handle = await open(path);
  return {
    size: async () => (await handle.stat()).size,
    read: async (into, from) => (await handle.read(into, 0, into.length, from)).bytesRead,
    close: () => handle.close(),
  };
}

/** A list of values in a temporary file, which is created with the first value. */
class ScratchOnDisk implements Scratch {
  private readonly lengths = new Map<number, number>();
  private file: ScratchFile | undefined;

  put(value: unknown): number {
    const bytes = serialize(value);
    this.file ??= new ScratchFile();
    const place = this.file.append(bytes);
    this.lengths.set(place, bytes.length);
    return place;
  }

  read(place: number): unknown {
    return deserialize((this.file as ScratchFile).read(place, this.lengths.get(place) as number));
  }

  close(): void {
    this.file?.close();
    this.file = undefined;
    this.lengths.clear();
  }
}
