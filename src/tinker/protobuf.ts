/**
 * The protobuf wire format, as far as the API uses it: varints, doubles and length-delimited fields. Fields are written
 * in the given order; any message is read as a list of fields. Arrays of numbers are little-endian on every machine.
 */

/** Bytes that are not a protobuf message, or are truncated. */
export class ProtobufError extends Error {
  override name = 'ProtobufError';
}

const text = new TextEncoder();

/** A number below 2^53 as a varint. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A message that is being written. */
export class Message {
  private readonly parts: Uint8Array[] = [];

  number(field: number, value: number): this {
    this.parts.push(varint(field * 8), varint(value));
    return this;
  }

  double(field: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.parts.push(varint(field * 8 + 1), bytes);
    return this;
  }

  bytes(field: number, value: Uint8Array | string | Message): this {
    const bytes =
      typeof value === 'string' ? text.encode(value) : value instanceof Message ? value.encode() : value;
    this.parts.push(varint(field * 8 + 2), varint(bytes.length), bytes);
    return this;
  }

  /** Numbers ≥ 0 in one packed field. */
  packed(field: number, values: readonly number[]): this {
    return this.bytes(field, join(values.map(varint)));
  }

  encode(): Uint8Array {
    return join(this.parts);
  }
}

type Field = { readonly field: number } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
);

/** A message that was read; unknown fields are ignored. */
export class Fields {
  private readonly fields: readonly Field[];

  /** @throws ProtobufError */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const fields: Field[] = [];
    let at = 0;
    const take = (count: number): number => {
      const from = at;
      if (from + count > bytes.length) {
        throw new ProtobufError(`expected ${count} more bytes at ${from}, got ${bytes.length - from}`);
      }
      at += count;
      return from;
    };
    const number = (): number => {
      let value = 0;
      for (let scale = 1, read = 1; read <= 10; scale *= 128, read++) {
        const byte = bytes[take(1)];
        value += (byte % 128) * scale;
        if (byte < 128) return value;
      }
      throw new ProtobufError(`expected a varint of at most 10 bytes at ${at}`);
    };
    while (at < bytes.length) {
      const tag = number();
      const field = Math.floor(tag / 8);
      const wireType = tag % 8;
      if (field === 0) throw new ProtobufError(`expected a field at ${at}, got number 0`);
      if (wireType === 0) fields.push({ field, kind: 'number', value: number() });
      else if (wireType === 1) fields.push({ field, kind: 'number', value: view.getFloat64(take(8), true) });
      else if (wireType === 5) fields.push({ field, kind: 'number', value: view.getFloat32(take(4), true) });
      else if (wireType === 2) {
        const length = number();
        const from = take(length);
        fields.push({ field, kind: 'bytes', value: bytes.subarray(from, from + length) });
      } else throw new ProtobufError(`expected a wire type of 0, 1, 2 or 5 at ${at}, got ${wireType}`);
    }
    this.fields = fields;
  }

  all(field: number): Uint8Array[] {
    return this.fields.flatMap((entry) => {
      if (entry.field !== field) return [];
      if (entry.kind === 'bytes') return [entry.value];
      throw new ProtobufError(`expected bytes in field ${field}, got a number`);
    });
  }

  /** The last value of a field, as protobuf defines it; undefined: the field is missing. */
  bytes(field: number): Uint8Array | undefined {
    return this.all(field).at(-1);
  }

  text(field: number): string {
    const bytes = this.bytes(field);
    return bytes === undefined ? '' : new TextDecoder().decode(bytes);
  }

  /** @returns 0 if the field is missing */
  number(field: number): number {
    const entry = this.fields.findLast((candidate) => candidate.field === field);
    if (entry === undefined) return 0;
    if (entry.kind === 'number') return entry.value;
    throw new ProtobufError(`expected a number in field ${field}, got bytes`);
  }
}

/** Encodings of numbers, with the API's names and codes. */
export const TYPES = { float32: 1, int64: 2, int32: 3 } as const;
export type NumberType = keyof typeof TYPES;
export const SIZES: Readonly<Record<NumberType, number>> = { float32: 4, int64: 8, int32: 4 };

export function toBytes(values: ArrayLike<number>, type: NumberType): Uint8Array {
  const size = SIZES[type];
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    if (type === 'float32') view.setFloat32(i * size, values[i], true);
    else if (type === 'int32') view.setInt32(i * size, values[i], true);
    else view.setBigInt64(i * size, BigInt(values[i]), true);
  }
  return bytes;
}

/** @throws ProtobufError for a truncated number */
export function fromBytes(bytes: Uint8Array, type: NumberType): number[] {
  const size = SIZES[type];
  if (bytes.length % size !== 0) {
    throw new ProtobufError(`expected a multiple of ${size} bytes for ${type}, got ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / size }, (_, i) => {
    if (type === 'float32') return view.getFloat32(i * size, true);
    return type === 'int32' ? view.getInt32(i * size, true) : Number(view.getBigInt64(i * size, true));
  });
}
