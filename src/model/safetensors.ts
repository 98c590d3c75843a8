/**
 * The safetensors file format (float32 tensors): 8 bytes of header length, a JSON header with the place of each
 * tensor, then the data. Written in one go; read with every length checked, so that a file cut short or edited
 * is named and never half-loaded. Other dtypes, shards and memory maps are not handled here.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { ModelError } from './config.js';

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Writes tensors (and string metadata) as one file. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + offset).fill(0x20, 8, 8 + headerLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(json, 8);
  let at = 8 + headerLength;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  await writeFile(file, bytes);
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * Reads all tensors of a file.
 * @throws ModelError naming the file (and tensor) if it is missing, cut short, malformed or not float32
 */
export async function readSafetensors(
  file: string,
): Promise<{ readonly tensors: Map<string, NamedTensor>; readonly metadata: Record<string, string> }> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new ModelError(`${file}: cannot be read (${error.code ?? error.message})`);
  });
  const cutShort = (what: string): ModelError =>
    new ModelError(`${file}: the file is cut short or damaged (${what}); use another checkpoint`);
  if (bytes.length < 8) throw cutShort(`${bytes.length} bytes`);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  if (headerLength > bytes.length - 8) {
    throw cutShort(`its header should have ${headerLength} bytes, ${bytes.length - 8} are there`);
  }
  let header: Record<string, HeaderEntry>;
  try {
    header = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + headerLength)),
    );
  } catch {
    throw cutShort('its header is no JSON');
  }
  const { __metadata__: metadata, ...entries } = header as Record<string, HeaderEntry> & {
    __metadata__?: Record<string, string>;
  };
  const data = bytes.subarray(8 + headerLength);
  const tensors = new Map<string, NamedTensor>();
  for (const [name, entry] of Object.entries(entries)) {
    if (entry?.dtype !== 'F32')
      throw new ModelError(`${file}: tensor '${name}' is ${entry?.dtype}; F32 is read`);
    const [begin, end] = entry.data_offsets;
    const size = entry.shape.reduce((n, dim) => n * dim, 1);
    if (end > data.length) throw cutShort(`tensor '${name}' ends at byte ${end} of ${data.length}`);
    if (end - begin !== 4 * size) {
      throw new ModelError(
        `${file}: tensor '${name}' has ${end - begin} bytes, its shape [${entry.shape}] needs ${4 * size}`,
      );
    }
    const values = new Float32Array(size);
    new Uint8Array(values.buffer).set(data.subarray(begin, end));
    tensors.set(name, { shape: entry.shape, data: values });
  }
  return { tensors, metadata: metadata ?? {} };
}
