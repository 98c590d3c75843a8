/**
 * Encodes TensorBoard event files: records in the TFRecord frame (length, masked CRC-32C, data, masked CRC-32C), each a
 * protobuf `Event`. Only what scalars need: file version, session start, and a summary with one value per metric. Pure
 * functions.
 */

export interface ScalarEvent {
  /** Unix time, s. */
  readonly time: number;
  readonly step: number;
  readonly values: readonly ScalarValue[];
}

export interface ScalarValue {
  readonly tag: string;
  /** Stored as float32. */
  readonly value: number;
  /** Shown beside the chart; TensorBoard uses that of the tag's first value. */
  readonly description?: string;
}

/** The beginning of a file: its version, and a session start, which replaces earlier events from its step on. */
export function eventFileHead(time: number): Uint8Array {
  const version = [...double(1, time), ...bytes(3, utf8.encode('brain.Event:2'))];
  const started = [...double(1, time), ...integer(2, 0), ...bytes(7, integer(1, 1))];
  return concatenated([record(version), record(started)]);
}

export function scalarRecord({ time, step, values }: ScalarEvent): Uint8Array {
  const summary = values.flatMap(({ tag, value, description }) => {
    const metadata = description === undefined ? [] : bytes(9, bytes(3, utf8.encode(description)));
    return bytes(1, [...bytes(1, utf8.encode(tag)), ...float(2, value), ...metadata]);
  });
  return record([...double(1, time), ...integer(2, step), ...bytes(5, summary)]);
}

/**
 * Times and steps of the events in a file of ours, with the tags of their values. A truncated or damaged record ends
 * the list.
 */
export function readScalarEvents(file: Uint8Array): { time: number; step: number; tags: string[] }[] {
  const events: { time: number; step: number; tags: string[] }[] = [];
  for (const data of recordsOf(file)) {
    const event = { time: 0, step: 0, tags: [] as string[] };
    for (const { field, value } of fieldsOf(data)) {
      if (field === 1 && value instanceof Uint8Array) event.time = viewOf(value).getFloat64(0, true);
      if (field === 2 && typeof value === 'number') event.step = value;
      if (field !== 5 || !(value instanceof Uint8Array)) continue;
      for (const entry of fieldsOf(value)) {
        const tag =
          entry.value instanceof Uint8Array && [...fieldsOf(entry.value)].find((f) => f.field === 1);
        if (tag && tag.value instanceof Uint8Array) event.tags.push(new TextDecoder().decode(tag.value));
      }
    }
    events.push(event);
  }
  return events;
}

const utf8 = new TextEncoder();

/** Table of the reflected polynomial 0x82f63b78 (Castagnoli). */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (RFC 3720, appendix B.4). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A checksum in TFRecord's form: rotated by 15 bits, plus a constant. */
function masked(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const FRAME = { head: 12, tail: 4 };

function record(content: readonly number[]): Uint8Array {
  const out = new Uint8Array(FRAME.head + content.length + FRAME.tail);
  const view = viewOf(out);
  view.setBigUint64(0, BigInt(content.length), true);
  view.setUint32(8, masked(out.subarray(0, 8)), true);
  out.set(content, FRAME.head);
  view.setUint32(FRAME.head + content.length, masked(out.subarray(FRAME.head, -FRAME.tail)), true);
  return out;
}

function* recordsOf(file: Uint8Array): Generator<Uint8Array> {
  const view = viewOf(file);
  for (let at = 0; at + FRAME.head + FRAME.tail <= file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    const end = at + FRAME.head + length;
    if (view.getUint32(at + 8, true) !== masked(file.subarray(at, at + 8))) return;
    if (end + FRAME.tail > file.length) return;
    const data = file.subarray(at + FRAME.head, end);
    if (view.getUint32(end, true) !== masked(data)) return;
    yield data;
    at = end + FRAME.tail;
  }
}

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** Wire types of fields. */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  out.push(rest);
  return out;
}

const key = (field: number, wire: number): number[] => varint(field * 8 + wire);
const integer = (field: number, value: number): number[] =>
  value === 0 ? [] : [...key(field, WIRE.varint), ...varint(value)];
const bytes = (field: number, value: ArrayLike<number>): number[] => [
  ...key(field, WIRE.bytes),
  ...varint(value.length),
  ...Array.from(value),
];

function double(field: number, value: number): number[] {
  const out = new Uint8Array(8);
  viewOf(out).setFloat64(0, value, true);
  return [...key(field, WIRE.fixed64), ...out];
}

function float(field: number, value: number): number[] {
  const out = new Uint8Array(4);
  viewOf(out).setFloat32(0, value, true);
  return [...key(field, WIRE.fixed32), ...out];
}

function* fieldsOf(data: Uint8Array): Generator<{ field: number; value: number | Uint8Array }> {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = data[at++];
      value += (byte & 0x7f) * factor;
      if (!(byte & 0x80)) return value;
    }
  };
  while (at < data.length) {
    const head = number();
    const field = Math.floor(head / 8);
    const wire = head % 8;
    if (wire === WIRE.varint) {
      yield { field, value: number() };
      continue;
    }
    const length = wire === WIRE.bytes ? number() : wire === WIRE.fixed64 ? 8 : 4;
    yield { field, value: data.subarray(at, at + length) };
    at += length;
  }
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
