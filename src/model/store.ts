/**
 * A store holds bytes under names: models and checkpoints. On Node.js it is a folder (`files.ts`); a browser keeps one
 * in memory.
 */

/** Bytes with random access. */
export interface ByteSource {
  /** Size in bytes. */
  readonly size: number;
  /** Reads bytes from `offset` on into the beginning of `into`. @returns number of bytes; 0 at the end */
  read(into: Uint8Array, offset: number): Promise<number>;
  close(): Promise<void>;
}

/** Bytes under names. */
export interface Store {
  /** Name of the store in messages: a folder's path. */
  readonly name: string;
  /** Name of an entry in messages. */
  path(name: string): string;
  names(): Promise<string[]>;
  has(name: string): Promise<boolean>;
  /** @throws Error, with a `code` such as ENOENT if there is one */
  open(name: string): Promise<ByteSource>;
  /**
   * Writes pieces under a name, each before the next is requested. At the end all of them are stored, or nothing is.
   */
  write(name: string, pieces: Iterable<Uint8Array>): Promise<void>;
}

/** Fills `into` from `offset` on. @returns number of bytes read */
export async function readFully(source: ByteSource, into: Uint8Array, offset: number): Promise<number> {
  let at = 0;
  while (at < into.length) {
    const read = await source.read(into.subarray(at), offset + at);
    if (read === 0) break;
    at += read;
  }
  return at;
}

/** @throws what `Store.open` throws */
export async function readText(store: Store, name: string): Promise<string> {
  const source = await store.open(name);
  try {
    const bytes = new Uint8Array(source.size);
    return new TextDecoder().decode(bytes.subarray(0, await readFully(source, bytes, 0)));
  } finally {
    await source.close();
  }
}

export async function writeText(store: Store, name: string, text: string): Promise<void> {
  await store.write(name, [new TextEncoder().encode(text)]);
}

/** Why a store failed, in a few words. */
export const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: string; message: string };
  return code ?? message;
};

/** A store in memory. @param content bytes by name, which are used in place */
export function memoryStore(content: Map<string, Uint8Array> = new Map()): Store {
  return {
    name: 'memory',
    path: (name) => name,
    names: async () => [...content.keys()],
    has: async (name) => content.has(name),
    async open(name) {
      const bytes = content.get(name);
      if (!bytes) throw Object.assign(new Error(`nothing is stored as ${name}`), { code: 'ENOENT' });
      return {
        size: bytes.length,
        async read(into, offset) {
          const part = bytes.subarray(offset, offset + into.length);
          into.set(part);
          return part.length;
        },
        close: async () => {},
      };
    },
    async write(name, pieces) {
      const copies = Array.from(pieces, (piece) => piece.slice());
      const bytes = new Uint8Array(copies.reduce((n, { length }) => n + length, 0));
      let at = 0;
      for (const copy of copies) {
        bytes.set(copy, at);
        at += copy.length;
      }
      content.set(name, bytes);
    },
  };
}
