/**
 * Packed files are read completely or refused. Peers: Python's gzip and the zstd program, which packed the zstd file
 * below (two frames of 20 rows, level 3 with a checksum and level 19 without; between them a skippable and an empty
 * frame).
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRollouts } from '../rollouts/files.js';
import { fileSource } from './files.js';
import { checkUnpacks, InputError, readBytes } from './index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packed-'));
});
afterAll(() => rm(folder, { recursive: true }));

const FRAMES = Buffer.from(
  'KLUv/QRYfQYAAgkcHGC1cQPq43y2G7eiKgk3CAIeiSzZZvEgGxVoUB7E0u9+NzOfef/d76qrUlcq/Sk9JfQ+UkbofH9UnfPURpExP3w1/7/EorjSAbRHSCwU' +
    'VwqeobCHg4aKjykHxEhcibRCwgzuaIHEItUlrkzc0Z7LgE+oQfT9rzWQM1LQARJgkwzBKAFPABXea1reHeigID5t6GppesJ+ufM53dlcvWW57SO5icW4' +
    'g4s41MC1A+czVEZA0qPtFiUHNDrT5E3dVn+/ILWxxXSA+atS6FAVPZWStVMqTRgFAAAAaGVsbG8otS/9JAABAACZ6dhRKLUv/QBo/QUAckgaGIBtDhgV' +
    'iOxnFwDDDA4kQkKbSBVI2lRSJ2+f6+ca3zVzjf1trdZq36z6f2wVsz+33NdbU72KWfNivmLn//8CJkEjBBtEM9gUtGiGyGg4D5j7bIzIYQYGJo+hxAUS' +
    'moHuo6agT1xgE1UKRqhB0NyfaQ0wt6QDMiiYgmcIioLvWaOJZz5YN4uIg6/i+Ux4jpGfRyU/fLMuRJjOXO4idj7QqL9NdbEjK7MEX4vTEAGX6yMlhvST' +
    'tUr2/UMTqQI=',
  'base64',
);
/**
 * Offsets of the frames: after the first one come the skippable frame's magic number, its 5 bytes, and the 13 of the
 * empty frame.
 */
const FIRST = FRAMES.indexOf(Buffer.from([0x53, 0x2a, 0x4d, 0x18]));
const BOUNDARIES = [0, FIRST, FIRST + 13, FIRST + 26, FRAMES.length];

async function unpacked(bytes: Uint8Array): Promise<Buffer> {
  const file = join(folder, 'packed');
  await writeFile(file, bytes);
  const pieces: Buffer[] = [];
  for await (const chunk of readBytes(fileSource(file))) pieces.push(Buffer.from(chunk));
  return Buffer.concat(pieces);
}
const outcome = (bytes: Uint8Array): Promise<Buffer | InputError> =>
  unpacked(bytes).catch((error: unknown) => {
    if (error instanceof InputError) return error;
    throw error;
  });
const rows = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => i + from)
    .map((i) => `{"prompt":"p${i >> 1}","completion":"answer ${i}","reward":${i % 2},"group":${i >> 1}}\n`)
    .join('');

describe('gzip', () => {
  test('members, with or without zero bytes between and behind them, are the texts one after the other', async () => {
    const noise = (n: number, seed: number) =>
      Buffer.concat(
        Array.from({ length: Math.ceil(n / 32) }, (_, i) =>
          createHash('sha256').update(`${seed}:${i}`).digest(),
        ),
      ).subarray(0, n);
    const member = fc.record({
      size: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 16_300, max: 16_420 })),
      gap: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 16_000, max: 33_000 }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 4 }), async (members) => {
        const texts = members.map(({ size }, i) => noise(size, i));
        const packed = texts.flatMap((text, i) => [gzipSync(text), Buffer.alloc(members[i].gap)]);
        expect((await unpacked(Buffer.concat(packed))).equals(Buffer.concat(texts))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('cut at any byte it is an error, unless it ends where a member does', async () => {
    const [a, b] = [gzipSync(rows(0, 4)), gzipSync(rows(4, 8))];
    const whole = Buffer.concat([a, Buffer.alloc(3), b]);
    for (let end = 2; end < whole.length; end++) {
      const got = await outcome(whole.subarray(0, end));
      const between = end >= a.length && end <= a.length + 3;
      if (between) expect(String(got), `${end}`).toBe(rows(0, 4));
      else
        expect((got as Error).message, `${end}`).toMatch(
          /packed: cannot be read: .*expected a whole gzip file/,
        );
    }
  });

  test('a changed byte is an error or changes nothing', async () => {
    const whole = gzipSync(rows(0, 6));
    for (let at = 2; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 1 << (at % 8);
      const got = await outcome(damaged);
      if (!(got instanceof Error)) expect(got.equals(gunzipSync(whole)), `${at}`).toBe(true);
    }
  });

  test('followed by anything but zeros it is an error', async () => {
    const whole = gzipSync(rows(0, 2));
    for (const rest of ['x', '\x1f', '\x00\x00x', '\n', '\x1f\x8b'])
      expect(await outcome(Buffer.concat([whole, Buffer.from(rest, 'latin1')])), rest).toBeInstanceOf(
        InputError,
      );
  });
});

describe('zstd', () => {
  test('frames, empty and skippable ones too, are what the zstd program packed', async () => {
    const text = await unpacked(FRAMES);
    expect(text.length).toBe(2999);
    expect(createHash('sha256').update(text).digest('hex')).toBe(
      'eeea88263f1eb65ac6016cbe0ddeec9fce5f50ce84e065279621cf9f10445eb1',
    );
  });

  test('cut at any byte it is an error, unless it ends where a frame does', async () => {
    const text = String(await unpacked(FRAMES));
    for (let end = 4; end < FRAMES.length; end++) {
      const got = await outcome(FRAMES.subarray(0, end));
      if (BOUNDARIES.includes(end))
        expect(text.startsWith(String(got)) && got.toString() !== '', `${end}`).toBe(true);
      else
        expect((got as Error).message, `${end}`).toMatch(
          /packed: cannot be read: .*expected a whole zstd file/,
        );
    }
  });

  test('a changed byte of a frame with a checksum is an error or changes nothing', async () => {
    const frame = FRAMES.subarray(0, FIRST);
    const text = await unpacked(frame);
    for (let at = 4; at < frame.length; at++) {
      for (const bit of [0, 3, 6]) {
        const damaged = Buffer.from(frame);
        damaged[at] ^= 1 << bit;
        const got = await outcome(damaged);
        if (!(got instanceof Error)) expect(got.equals(text), `${at}`).toBe(true);
      }
    }
  });

  test('without a checksum damage never hangs or crashes', async () => {
    const frame = FRAMES.subarray(FIRST + 26);
    for (let at = 4; at < frame.length; at++) {
      const damaged = Buffer.from(frame);
      damaged[at] ^= 0x55;
      await outcome(damaged);
    }
  });

  test('raw and repeated blocks, windows beyond the limit, dictionaries, what is behind', async () => {
    const header = (flags: number, ...rest: number[]) =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, flags, ...rest]);
    const block = (type: number, size: number, body: string, last = 1) => {
      const head = Buffer.alloc(3);
      head.writeUIntLE((size << 3) | (type << 1) | last, 0, 3);
      return Buffer.concat([head, Buffer.from(body)]);
    };
    const plain = Buffer.concat([
      header(0, 0x38),
      block(0, 3, 'abc', 0),
      block(1, 70_000, 'z'),
      block(0, 0, ''),
    ]);
    expect(String(await unpacked(plain.subarray(0, -3)))).toBe(`abc${'z'.repeat(70_000)}`);
    expect(await outcome(plain)).toBeInstanceOf(InputError);
    expect(String(await outcome(Buffer.concat([header(0, 0x90), block(0, 3, 'abc')])))).toMatch(
      /expected a zstd window of at most 134217728 bytes, got 268435456/,
    );
    const huge = Buffer.concat([header(0xe0, 0, 0, 0, 0, 0, 0, 1, 0), block(0, 3, 'abc')]);
    expect(String(await outcome(huge))).toMatch(/zstd window/);
    expect(String(await outcome(Buffer.concat([header(1, 0x38, 7), block(0, 1, 'a')])))).toMatch(
      /dictionary/,
    );
    expect(String(await outcome(Buffer.concat([header(0x20, 4), block(0, 3, 'abc')])))).toMatch(
      /expected 4 bytes, got 3/,
    );
    expect(await outcome(Buffer.concat([FRAMES, Buffer.alloc(4)]))).toBeInstanceOf(InputError);
  });
});

describe('a log that is packed', () => {
  test('gives all its groups or none, wherever it is cut, also where bad rows are skipped', {
    timeout: 60_000,
  }, async () => {
    for (const [name, packed] of [
      ['log.jsonl.gz', Buffer.concat([gzipSync(rows(0, 20)), gzipSync(rows(20, 40))])],
      ['log.jsonl.zst', FRAMES],
    ] as const) {
      // Every fifth byte: the tests above check every byte.
      const ends = Array.from({ length: packed.length + 1 }, (_, end) => end).filter(
        (end) =>
          end % 5 === 0 ||
          end === packed.length ||
          packed.subarray(end, end + 2).equals(packed.subarray(0, 2)),
      );
      const counts = new Set<number>();
      for (const end of ends) {
        const file = join(folder, name);
        await writeFile(file, packed.subarray(0, end));
        let groups = 0;
        const messages: string[] = [];
        for await (const _ of readRollouts(file, {
          skipBad: true,
          onBad: ({ message }) => messages.push(message),
        }))
          groups++;
        if (groups === 0) expect(messages, `${end}`).toHaveLength(1);
        else expect(messages, `${end}`).toEqual([]);
        if (groups === 0) expect(messages[0]).toContain(file);
        counts.add(groups);
      }
      // None, those of the first member, or all.
      expect([...counts].sort((a, b) => a - b)).toEqual([0, 10, 20]);
    }
  });

  test('is accepted by the checker if it is sound', async () => {
    const file = join(folder, 'sound.gz');
    await writeFile(file, gzipSync('x'));
    await checkUnpacks(fileSource(file));
    await writeFile(file, gzipSync('x').subarray(0, -1));
    await expect(checkUnpacks(fileSource(file))).rejects.toThrow('cut short');
  });
});
