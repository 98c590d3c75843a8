/**
 * Reads files of `torch.save`: the plain values of the pickle, and one-dimensional tensors as lists of numbers.
 * Executes nothing.
 */
import { InputError } from './errors.js';
import { LIMITS } from './limits.js';
import { PickledTensor, unpickle } from './pickle.js';
import type { Source } from './source.js';
import { viewOf } from './text.js';
import { ZipFile } from './zip.js';

/** Maximum size of the pickle in bytes: it holds the rollouts of a step without their tensors. */
const PICKLE = 1 << 29;

/** How the numbers of a storage are read, and their size in bytes. */
const STORAGES: Readonly<
  Record<string, readonly [bytes: number, read: (b: DataView, at: number) => number]>
> = {
  FloatStorage: [4, (b, at) => b.getFloat32(at, true)],
  DoubleStorage: [8, (b, at) => b.getFloat64(at, true)],
  LongStorage: [8, (b, at) => Number(b.getBigInt64(at, true))],
  IntStorage: [4, (b, at) => b.getInt32(at, true)],
  ShortStorage: [2, (b, at) => b.getInt16(at, true)],
  CharStorage: [1, (b, at) => b.getInt8(at)],
  ByteStorage: [1, (b, at) => b.getUint8(at)],
  BoolStorage: [1, (b, at) => b.getUint8(at)],
};

/**
 * @returns the value; tensors of other types or with more dimensions are null
 * @throws InputError for another kind of file, or one that is truncated or beyond the limits
 */
export async function readTorch(file: Source): Promise<unknown> {
  const zip = await ZipFile.open(file);
  try {
    const pickle = [...zip.names].find((name) => /(^|\/)data\.pkl$/.test(name));
    if (pickle === undefined)
      throw new InputError(
        `${file.name}: expected a file written by torch.save, got an archive without data.pkl`,
      );
    const value = unpickle(await zip.read(pickle, PICKLE), file.name);
    return await withTensors(value, zip, pickle.slice(0, -'data.pkl'.length));
  } finally {
    await zip.close();
  }
}

async function withTensors(value: unknown, zip: ZipFile, root: string): Promise<unknown> {
  if (value instanceof PickledTensor) return numbersOf(value, zip, root);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (typeof value[i] === 'object' && value[i] !== null)
        value[i] = await withTensors(value[i], zip, root);
    }
  } else if (typeof value === 'object' && value !== null) {
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      if (typeof object[key] === 'object' && object[key] !== null)
        object[key] = await withTensors(object[key], zip, root);
    }
  }
  return value;
}

async function numbersOf(
  { storage, member, offset, shape, stride }: PickledTensor,
  zip: ZipFile,
  root: string,
) {
  const kind = STORAGES[storage];
  if (!kind || shape.length !== 1) return null;
  const [width, read] = kind;
  const bytes = viewOf(await zip.read(`${root}data/${member}`, 8 * LIMITS.numbers));
  const last = (offset + Math.max(0, shape[0] - 1) * stride[0]) * width;
  if (shape[0] > 0 && (last < 0 || last + width > bytes.byteLength)) return null;
  return Float64Array.from({ length: shape[0] }, (_, i) => read(bytes, (offset + i * stride[0]) * width));
}
