/**
 * Parquet in a browser, through hyparquet: one row group at a time, with the same values as DuckDB gives in Node.js
 * (lists of numbers are typed arrays; whole numbers and decimals that do not fit into a double are WrittenNumber;
 * times are texts). Decimals within lists and structs are doubles.
 */
import type { AsyncBuffer, FileMetaData, ParquetParsers, SchemaTree } from 'hyparquet';
import { InputError, messageOf } from './errors.js';
import { type Json, JsonReader } from './json.js';
import { LIMITS } from './limits.js';
import type { Column, ParquetReader, Source } from './source.js';
import { WrittenNumber } from './written-number.js';

/** Both libraries, loaded when first needed. */
async function libraries() {
  const [hyparquet, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  return { ...hyparquet, compressors };
}

export const hyparquetReader: ParquetReader = {
  async columns(source) {
    return withFile(source, async (file, { parquetMetadataAsync, parquetSchema }) => {
      const { children } = parquetSchema(await parquetMetadataAsync(file));
      return children.map((tree) => columnOf(tree, source.name));
    });
  },

  async *rows(source, columns) {
    const { metadata, scales } = await withFile(source, async (file, library) => {
      const whole = await library.parquetMetadataAsync(file);
      return withoutDecimals(whole, library.parquetSchema(whole).children);
    });
    const names = columns.map(({ name }) => name);
    const json = new JsonReader();
    const columnValue = (name: string, value: unknown): Json => {
      const scale = scales.get(name);
      return scale === undefined ? jsonOf(value) : decimalOf(value, scale, json);
    };
    let number = 0;
    for (const group of metadata.row_groups) {
      const rowStart = number;
      const rowEnd = rowStart + Number(group.num_rows);
      const rows = await withFile(source, (file, { parquetReadObjects, compressors }) =>
        parquetReadObjects({
          file,
          metadata,
          columns: names,
          rowStart,
          rowEnd,
          compressors,
          parsers: PARSERS,
          geoparquet: false,
        }),
      );
      for (const row of rows) {
        number++;
        yield { number, row: Object.fromEntries(names.map((name) => [name, columnValue(name, row[name])])) };
      }
    }
  },
};

/** @throws InputError naming the file */
async function withFile<T>(
  source: Source,
  read: (file: AsyncBuffer, library: Awaited<ReturnType<typeof libraries>>) => Promise<T>,
): Promise<T> {
  const library = await libraries();
  const file = await source.open();
  try {
    const buffer: AsyncBuffer = {
      byteLength: await file.size(),
      slice: async (from, to = buffer.byteLength) => {
        const bytes = new Uint8Array(Math.max(0, to - from));
        if ((await file.read(bytes, from)) < bytes.length) throw new Error('unexpected end of file');
        return bytes.buffer;
      },
    };
    return await read(buffer, library);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${source.name}: cannot be read as Parquet: ${messageOf(error)}`);
  } finally {
    await file.close();
  }
}

function columnOf(tree: SchemaTree, file: string): Column {
  const { name, type = 'GROUP', converted_type: converted } = tree.element;
  const depth = depthOf(tree);
  if (depth > LIMITS.columnDepth)
    throw new InputError(
      `${file}: ${name}: expected at most ${LIMITS.columnDepth} levels of lists and structs, got ${depth}`,
    );
  const isNumber =
    converted === undefined
      ? /^(INT32|INT64|FLOAT|DOUBLE)$/.test(type) && !isTime(tree)
      : /^(U?INT_\d+|DECIMAL)$/.test(converted);
  return { name, type: converted ?? type, number: isNumber && depth === 0 };
}

const isTime = ({ element }: SchemaTree): boolean =>
  /^(DATE|TIME|TIMESTAMP)$/.test(element.logical_type?.type ?? '');

/** Nesting depth of lists, maps and structs. The repeated group within a list or map does not count. */
function depthOf({ element, children }: SchemaTree): number {
  if (children.length === 0) return element.repetition_type === 'REPEATED' ? 1 : 0;
  const isList = /^(LIST|MAP|MAP_KEY_VALUE)$/.test(element.converted_type ?? '');
  const within = isList ? children.flatMap((group) => group.children) : children;
  return 1 + Math.max(0, ...within.map(depthOf));
}

const timeOf = (milliseconds: number): string =>
  new Date(milliseconds)
    .toISOString()
    .replace('T', ' ')
    .replace(/(\.0+)?Z$/, '');

/**
 * Metadata that declares decimals as their stored type, because the library would convert them to doubles; and the
 * number of decimal places of each.
 */
function withoutDecimals(
  metadata: FileMetaData,
  columns: readonly SchemaTree[],
): { metadata: FileMetaData; scales: ReadonlyMap<string, number> } {
  const decimals = columns
    .map(({ element }) => element)
    .filter(({ converted_type: converted, type }) => converted === 'DECIMAL' && type !== 'BYTE_ARRAY');
  const schema = metadata.schema.map((element) =>
    decimals.includes(element) ? { ...element, converted_type: undefined, logical_type: undefined } : element,
  );
  return {
    metadata: { ...metadata, schema },
    scales: new Map(decimals.map(({ name, scale = 0 }) => [name, scale])),
  };
}

/** A decimal from its stored value: a whole number, or the bytes of a larger one. */
function decimalOf(value: unknown, scale: number, json: JsonReader): Json {
  if (value === null || value === undefined) return null;
  let digits: bigint;
  if (value instanceof Uint8Array) {
    digits = Array.from(value).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    if (value[0] >= 128) digits -= 1n << BigInt(8 * value.length);
  } else digits = BigInt(value as number | bigint);
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
  const point = text.length - scale;
  const written = `${digits < 0n ? '-' : ''}${text.slice(0, point)}${scale > 0 ? `.${text.slice(point)}` : ''}`;
  return json.parse(new TextEncoder().encode(written));
}

/** Converts times to texts and keeps JSON columns as text. */
const PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (value) => timeOf(Number(value)),
  timestampFromMicroseconds: (value) => timeOf(Number(value / 1000n)),
  timestampFromNanoseconds: (value) => timeOf(Number(value / 1_000_000n)),
  dateFromDays: (days) => timeOf(days * 86_400_000).slice(0, 10),
  jsonFromBytes: (bytes) => bytes && new TextDecoder().decode(bytes),
};

function jsonOf(value: unknown): Json {
  switch (typeof value) {
    case 'bigint': {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : new WrittenNumber(String(value));
    }
    case 'number':
    case 'string':
    case 'boolean':
      return value;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value) || ArrayBuffer.isView(value))
        return listOf(Array.from(value as ArrayLike<unknown>, jsonOf));
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item)]));
    default:
      return null;
  }
}

function listOf(values: Json[]): Json {
  if (values.length === 0 || !values.every((value) => typeof value === 'number')) return values;
  const numbers = values as number[];
  return numbers.every((value) => (value | 0) === value && !Object.is(value, -0))
    ? Int32Array.from(numbers)
    : Float64Array.from(numbers);
}
