/**
 * The safetensors file format: 8 bytes of header length, a JSON header with type, shape and offsets of each tensor,
 * then the data. Tensors are read by offset, so that files larger than the largest buffer work; the whole header is
 * checked before data is read.
 */
import { ModelError } from './config.js';
import { DTYPES, decode16, dtypeBytes, encode16, type StoredDType } from './dtypes.js';
import { type ByteSource, readFully, reasonOf, type Store } from './store.js';

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor of a file that has not been read yet. */
export interface StoredTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** Offset of its first byte in the file. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
}

/** Bytes per read or write. */
const CHUNK = 8 * 1024 * 1024;
/** Maximum length of a header, as defined by the format. */
const LONGEST_HEADER = 100_000_000;

/** An open file whose header has been checked. */
export class SafetensorsFile {
  private constructor(
    /** Name in messages: its path. */
    readonly file: string,
    private readonly source: ByteSource,
    readonly tensors: ReadonlyMap<string, StoredTensor>,
    readonly metadata: Readonly<Record<string, string>>,
  ) {}

  /**
   * @throws ModelError naming the file (and tensor) if it is missing, truncated, malformed or of an unsupported type
   */
  static async open(store: Store, name: string): Promise<SafetensorsFile> {
    const file = store.path(name);
    const source = await store.open(name).catch((error) => {
      throw new ModelError(`${file}: cannot be read (${reasonOf(error)}); expected a safetensors file`);
    });
    try {
      const { tensors, metadata } = await readHeader(file, source);
      return new SafetensorsFile(file, source, tensors, metadata);
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /**
   * Reads one tensor as float32.
   * @param into [size of the tensor]
   * @throws ModelError naming file and tensor if a value is NaN or infinite
   */
  async read(name: string, into: Float32Array): Promise<void> {
    const { dtype, offset, size } = this.tensors.get(name) as StoredTensor;
    if (into.length !== size) throw new RangeError(`${name}: ${into.length} places for ${size} values`);
    if (dtype === 'F32') {
      await this.fill(new Uint8Array(into.buffer, into.byteOffset, into.byteLength), offset);
      checkFinite(this.file, name, into);
      return;
    }
    const buffer = new Uint16Array(Math.min(size, CHUNK / 2));
    for (let from = 0; from < size; from += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - from));
      await this.fill(new Uint8Array(part.buffer, 0, part.byteLength), offset + 2 * from);
      decode16(part, dtype, into.subarray(from, from + part.length));
    }
    checkFinite(this.file, name, into);
  }

  /** Checks the values of a tensor that the runtime will read itself. @throws ModelError as `read` does */
  async check(name: string): Promise<void> {
    const { size } = this.tensors.get(name) as StoredTensor;
    for (let from = 0; from < size; from += CHUNK / 4) {
      checkFinite(this.file, name, await this.part(name, from, Math.min(size, from + CHUNK / 4)), from);
    }
  }

  /** Values from..to of a tensor, as float32. */
  async part(name: string, from: number, to: number): Promise<Float32Array> {
    const { dtype, offset } = this.tensors.get(name) as StoredTensor;
    const values = new Float32Array(to - from);
    if (dtype === 'F32') {
      await this.fill(new Uint8Array(values.buffer), offset + 4 * from);
      return values;
    }
    const bits = new Uint16Array(to - from);
    await this.fill(new Uint8Array(bits.buffer), offset + 2 * from);
    decode16(bits, dtype, values);
    return values;
  }

  async close(): Promise<void> {
    await this.source.close();
  }

  private async fill(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      const read = await readFully(this.source, part, position + at);
      if (read < part.length) throw damaged(this.file, `it ends at byte ${position + at + read}`);
    }
  }
}

/** Whether two tensors of the same size hold the same values; reads both up to the first difference. */
export async function sameValues(
  a: readonly [file: SafetensorsFile, name: string],
  b: readonly [file: SafetensorsFile, name: string],
): Promise<boolean> {
  const { size } = a[0].tensors.get(a[1]) as StoredTensor;
  for (let from = 0; from < size; from += CHUNK / 4) {
    const to = Math.min(size, from + CHUNK / 4);
    const [x, y] = await Promise.all([a, b].map(([file, name]) => file.part(name, from, to)));
    if (x.some((value, i) => value !== y[i])) return false;
  }
  return true;
}

/** @throws ModelError naming the first value that is NaN or infinite. @param from index of the first value */
function checkFinite(file: string, name: string, values: Float32Array, from = 0): void {
  // x − x is 0 only for finite numbers, and summing it is faster than a branch for each.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[i];
  if (sum === 0) return;
  const i = values.findIndex((value) => !Number.isFinite(value));
  throw new ModelError(
    `${file}: tensor '${name}': expected finite numbers, got ${values[i]} at element ${from + i}`,
  );
}

function damaged(file: string, what: string): ModelError {
  return new ModelError(`${file}: the file is cut short or damaged (${what}); use another checkpoint`);
}

async function readHeader(
  file: string,
  source: ByteSource,
): Promise<{ tensors: Map<string, StoredTensor>; metadata: Record<string, string> }> {
  const { size: end } = source;
  if (end < 8) throw damaged(file, `${end} bytes`);
  const start = new Uint8Array(8);
  await readFully(source, start, 0);
  const length = Number(new DataView(start.buffer).getBigUint64(0, true));
  if (length > end - 8) {
    throw damaged(file, `its header should have ${length} bytes, but only ${end - 8} are there`);
  }
  if (length > LONGEST_HEADER) throw damaged(file, `a header of ${length} bytes`);
  const bytes = new Uint8Array(length);
  await readFully(source, bytes, 8);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw damaged(file, 'its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw damaged(file, 'its header is not an object');
  }
  const { __metadata__: metadata, ...entries } = header as Record<string, unknown>;
  const first = 8 + length;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(entries)) {
    tensors.set(name, checkEntry(file, name, entry, first, end));
  }
  checkPlaces(file, tensors, first, end);
  return { tensors, metadata: (metadata ?? {}) as Record<string, string> };
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function checkEntry(file: string, name: string, entry: unknown, first: number, end: number): StoredTensor {
  const { dtype, shape, data_offsets: place } = (entry ?? {}) as Record<string, unknown>;
  if (!DTYPES.includes(dtype as StoredDType)) {
    throw new ModelError(`${file}: tensor '${name}': expected ${DTYPES.join(', ')}, got ${dtype}`);
  }
  if (!Array.isArray(shape) || !shape.every(isWhole)) {
    throw damaged(file, `tensor '${name}' has the shape ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(place) || place.length !== 2 || !place.every(isWhole) || place[0] > place[1]) {
    throw damaged(file, `tensor '${name}' has the offsets ${JSON.stringify(place)}`);
  }
  const [from, to] = place as [number, number];
  if (first + to > end) throw damaged(file, `tensor '${name}' ends at byte ${to} of ${end - first}`);
  const size = (shape as number[]).reduce((n, dim) => n * dim, 1);
  const needed = size * dtypeBytes(dtype as StoredDType);
  if (to - from !== needed) {
    throw new ModelError(
      `${file}: tensor '${name}' has ${to - from} bytes, its shape [${shape}] needs ${needed}`,
    );
  }
  return { dtype: dtype as StoredDType, shape: shape as number[], offset: first + from, size };
}

/** Every byte of the data must belong to exactly one tensor. */
function checkPlaces(
  file: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  first: number,
  end: number,
): void {
  let at = first;
  for (const [name, { offset, size, dtype }] of [...tensors].sort(
    ([, a], [, b]) => a.offset - b.offset || a.size - b.size,
  )) {
    if (offset !== at) {
      const how = offset < at ? 'overlaps the one before it' : `leaves ${offset - at} bytes unused before it`;
      throw damaged(file, `tensor '${name}' ${how}`);
    }
    at = offset + size * dtypeBytes(dtype);
  }
  if (at !== end) throw damaged(file, `${end - at} bytes after the last tensor`);
}

/**
 * Writes tensors (and string metadata) as one file, tensor by tensor.
 * @param dtype in which they are stored
 * @throws ModelError naming the tensor with a value that is NaN, infinite, or too large for the type; nothing is
 * written
 */
export async function writeTensors(
  store: Store,
  name: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Readonly<Record<string, string>> = {},
  dtype: StoredDType = 'F32',
): Promise<void> {
  const file = store.path(name);
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let end = 0;
  for (const [key, { shape, data }] of tensors) {
    const bytes = data.length * dtypeBytes(dtype);
    header[key] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  for (const [key, { data }] of tensors) {
    checkFinite(file, key, data);
    if (dtype === 'F16') checkRange(file, key, data);
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20, 8);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(json, 8);
  await store.write(name, pieces(start, tensors.values(), dtype));
}

/** The file's bytes: views of existing memory, and one buffer that is reused. */
function* pieces(
  start: Uint8Array,
  tensors: Iterable<NamedTensor>,
  dtype: StoredDType,
): Generator<Uint8Array, void> {
  yield start;
  const buffer = new Uint16Array(dtype === 'F32' ? 0 : CHUNK / 2);
  for (const { data } of tensors) {
    if (dtype === 'F32') yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    else {
      for (let from = 0; from < data.length; from += buffer.length) {
        const part = data.subarray(from, from + buffer.length);
        encode16(part, dtype, buffer);
        yield new Uint8Array(buffer.buffer, 0, 2 * part.length);
      }
    }
  }
}

/** The smallest float32 that rounds to infinity in float16. */
const BEYOND_F16 = 65_520;

function checkRange(file: string, name: string, values: Float32Array): void {
  const i = values.findIndex((value) => Math.abs(value) >= BEYOND_F16);
  if (i < 0) return;
  throw new ModelError(
    `${file}: tensor '${name}': expected values that F16 can hold, got ${values[i]} at element ${i}; BF16 and F32 hold it`,
  );
}

/**
 * Reads all tensors of a file, as float32.
 * @throws ModelError as `SafetensorsFile.open`
 */
export async function readTensors(
  store: Store,
  file: string,
): Promise<{
  readonly tensors: Map<string, NamedTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}> {
  const opened = await SafetensorsFile.open(store, file);
  try {
    const tensors = new Map<string, NamedTensor>();
    for (const [name, { shape, size }] of opened.tensors) {
      const data = new Float32Array(size);
      await opened.read(name, data);
      tensors.set(name, { shape, data });
    }
    return { tensors, metadata: opened.metadata };
  } finally {
    await opened.close();
  }
}
