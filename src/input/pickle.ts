/**
 * Reads the plain values of a Python pickle: numbers, texts, lists, dictionaries, and PyTorch tensors through their
 * storage. It executes nothing: a class or function is only a name, and objects become null. Protocols 2 to 5.
 */
import { InputError } from './errors.js';
import { LIMITS } from './limits.js';
import { textOf, viewOf } from './text.js';

/** A tensor whose numbers are in a member of the archive. */
export class PickledTensor {
  constructor(
    /** `FloatStorage`, `LongStorage`, … */
    readonly storage: string,
    readonly member: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
  ) {}
}

/** A class or function, by its name. */
class Name {
  constructor(readonly name: string) {}
}

class Storage {
  constructor(
    readonly type: string,
    readonly member: string,
  ) {}
}

const MARK = Symbol('mark');
type Entry = unknown;

/** @throws InputError for data that is not such a pickle, and for values beyond the limits of a row */
export function unpickle(bytes: Uint8Array, file: string): unknown {
  const numbers = viewOf(bytes);
  const stack: Entry[] = [];
  const memo = new Map<number, Entry>();
  let at = 0;
  const fault = (what: string): never => {
    throw new InputError(`${file}: expected a pickle of plain values, got ${what} at byte ${at}`);
  };
  const need = (length: number): number => {
    const from = at;
    if (length < 0 || at + length > bytes.length) fault('the end of the data');
    at += length;
    return from;
  };
  const text = (length: number): string => {
    if (length > LIMITS.textBytes) fault(`a string of ${length} bytes`);
    const from = need(length);
    return textOf(bytes, from, from + length);
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) fault('the end of the data');
    const from = at;
    at = end + 1;
    return textOf(bytes, from, end);
  };
  const pop = (): Entry => (stack.length > 0 ? stack.pop() : fault('an empty stack'));
  const marked = (): Entry[] => {
    const from = stack.lastIndexOf(MARK);
    if (from < 0) fault('no mark');
    const values = stack.splice(from);
    values.shift();
    return values;
  };
  const top = (): Entry => (stack.length > 0 ? stack[stack.length - 1] : fault('an empty stack'));
  const setItems = (pairs: readonly Entry[]): void => {
    const target = top();
    if (target === null) return;
    if (!(target instanceof Map)) fault('dictionary items for a value that is not a dictionary');
    for (let i = 0; i + 1 < pairs.length; i += 2) (target as Map<Entry, Entry>).set(pairs[i], pairs[i + 1]);
  };
  const append = (values: readonly Entry[]): void => {
    const target = top();
    if (target === null) return;
    if (!Array.isArray(target)) fault('list items for a value that is not a list');
    for (const value of values) (target as Entry[]).push(value);
  };
  const integer = (length: number): number => {
    const from = need(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from + i]);
    if (length > 0 && bytes[from + length - 1] & 0x80) value -= 1n << BigInt(8 * length);
    return Number(value);
  };
  const wide = (): number => Number(numbers.getBigUint64(need(8), true));

  for (;;) {
    const code = bytes[need(1)];
    switch (code) {
      case 0x80: // PROTO
        need(1);
        break;
      case 0x95: // FRAME
        need(8);
        break;
      case 0x2e: // STOP
        return plain(pop(), fault);
      case 0x28:
        stack.push(MARK);
        break;
      case 0x30: // POP
        pop();
        break;
      case 0x31: // POP_MARK
        marked();
        break;
      case 0x32: // DUP
        stack.push(top());
        break;
      case 0x4e:
        stack.push(null);
        break;
      case 0x88:
        stack.push(true);
        break;
      case 0x89:
        stack.push(false);
        break;
      case 0x4a:
        stack.push(numbers.getInt32(need(4), true));
        break;
      case 0x4b:
        stack.push(bytes[need(1)]);
        break;
      case 0x4d:
        stack.push(numbers.getUint16(need(2), true));
        break;
      case 0x8a:
        stack.push(integer(bytes[need(1)]));
        break;
      case 0x8b: {
        const length = numbers.getInt32(need(4), true);
        if (length > 1024) fault('a number with too many digits');
        stack.push(integer(length));
        break;
      }
      case 0x47:
        stack.push(numbers.getFloat64(need(8)));
        break;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        stack.push(text(numbers.getUint32(need(4), true)));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(text(bytes[need(1)]));
        break;
      case 0x8d:
        stack.push(text(wide()));
        break;
      // Byte strings do not occur in logs.
      case 0x42:
        need(numbers.getUint32(need(4), true));
        stack.push(null);
        break;
      case 0x43:
        need(bytes[need(1)]);
        stack.push(null);
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        need(wide());
        stack.push(null);
        break;
      case 0x5d:
        stack.push([]);
        break;
      case 0x29:
        stack.push([]);
        break;
      case 0x8f: // EMPTY_SET
        stack.push([]);
        break;
      case 0x7d:
        stack.push(new Map());
        break;
      case 0x85:
        stack.push([pop()]);
        break;
      case 0x86: {
        const [b, a] = [pop(), pop()];
        stack.push([a, b]);
        break;
      }
      case 0x87: {
        const [c, b, a] = [pop(), pop(), pop()];
        stack.push([a, b, c]);
        break;
      }
      case 0x74: // TUPLE
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        stack.push(marked());
        break;
      case 0x64: {
        const values = marked();
        stack.push(new Map());
        setItems(values);
        break;
      }
      case 0x61: {
        const value = pop();
        append([value]);
        break;
      }
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        append(marked());
        break;
      case 0x73: {
        const [value, key] = [pop(), pop()];
        setItems([key, value]);
        break;
      }
      case 0x75:
        setItems(marked());
        break;
      case 0x71: // BINPUT
        memo.set(bytes[need(1)], top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(numbers.getUint32(need(4), true), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x68:
        stack.push(memo.get(bytes[need(1)]) ?? null);
        break;
      case 0x6a:
        stack.push(memo.get(numbers.getUint32(need(4), true)) ?? null);
        break;
      case 0x63: {
        const module = line();
        stack.push(new Name(`${module}.${line()}`));
        break;
      }
      case 0x93: {
        const [name, module] = [pop(), pop()];
        stack.push(new Name(`${String(module)}.${String(name)}`));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [values, maker] = [pop(), pop()];
        stack.push(code === 0x52 ? reduced(maker, values) : null);
        break;
      }
      case 0x92: // NEWOBJ_EX
        pop();
        pop();
        pop();
        stack.push(null);
        break;
      case 0x62: // BUILD
        pop();
        break;
      case 0x51: // BINPERSID
        stack.push(storageOf(pop()));
        break;
      default:
        fault(`operation 0x${code.toString(16)}`);
    }
  }
}

function storageOf(id: Entry): Entry {
  if (!Array.isArray(id) || id[0] !== 'storage' || !(id[1] instanceof Name) || typeof id[2] !== 'string')
    return null;
  return new Storage(id[1].name.replace(/^torch(\.storage)?\./, ''), id[2]);
}

/** The two supported calls: a tensor from its storage, and an ordered dictionary. */
function reduced(maker: Entry, values: Entry): Entry {
  if (!(maker instanceof Name) || !Array.isArray(values)) return null;
  if (maker.name === 'collections.OrderedDict' && values.length === 0) return new Map();
  if (maker.name !== 'torch._utils._rebuild_tensor_v2') return null;
  const [storage, offset, shape, stride] = values as Entry[];
  const numbers = (list: Entry): list is number[] =>
    Array.isArray(list) && list.every((n) => typeof n === 'number');
  if (!(storage instanceof Storage) || typeof offset !== 'number' || !numbers(shape) || !numbers(stride))
    return null;
  return new PickledTensor(storage.type, storage.member, offset, shape, stride);
}

/** Converts dictionaries to objects and names of classes to null. A list that contains itself is refused. */
function plain(value: Entry, fault: (what: string) => never): unknown {
  const done = new Map<object, unknown>();
  const within = new Set<object>();
  let depth = 0;
  const convert = (entry: Entry): unknown => {
    if (entry instanceof Name || entry instanceof Storage || entry === MARK) return null;
    if (entry instanceof PickledTensor || typeof entry !== 'object' || entry === null) return entry;
    const known = done.get(entry);
    if (known !== undefined) return known;
    if (within.has(entry)) return fault('a value that contains itself');
    if (++depth > LIMITS.depth) return fault('values nested too deeply');
    within.add(entry);
    let result: unknown;
    if (entry instanceof Map) {
      const object: Record<string, unknown> = Object.create(null);
      for (const [key, item] of entry) object[String(key)] = convert(item);
      result = object;
    } else {
      const list = entry as Entry[];
      result = list.some((item) => typeof item === 'object' && item !== null) ? list.map(convert) : list;
    }
    depth--;
    within.delete(entry);
    done.set(entry, result);
    return result;
  };
  return convert(value);
}
