import { appendFile, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Tail } from './tail.js';

let folder: string;
let file: string;
let tail: Tail;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-tail-'));
  file = join(folder, 'metrics.jsonl');
  tail = new Tail();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The result of one more read: lines with their numbers, '↺' if the file is read from its start. */
async function read(): Promise<string[]> {
  const calls: string[] = [];
  const handle = await open(file);
  try {
    await tail.read(handle, {
      restart: () => calls.push('↺'),
      line: (text, number) => calls.push(`${number}:${text === null ? 'too long' : text}`),
    });
  } finally {
    await handle.close();
  }
  return calls;
}

it('gives each line once, and one that is cut short when it is whole', async () => {
  await writeFile(file, 'a\nb\nhal');
  expect(await read()).toEqual(['1:a', '2:b']);
  expect(await read()).toEqual([]);
  await appendFile(file, 'f\nλ');
  expect(await read()).toEqual(['3:half']);
  await appendFile(file, '\n');
  expect(await read()).toEqual(['4:λ']);
});

it('reads only the new bytes', async () => {
  await writeFile(file, 'x'.repeat(1000).concat('\n').repeat(5000));
  expect(await read()).toHaveLength(5000);
  await appendFile(file, 'new\n');
  const handle = await open(file);
  let bytes = 0;
  const counting = {
    stat: () => handle.stat(),
    read: async (buffer: Buffer, offset: number, length: number, position: number) => {
      const result = await handle.read(buffer, offset, length, position);
      bytes += result.bytesRead;
      return result;
    },
  } as unknown as typeof handle;
  const lines: (string | null)[] = [];
  await tail.read(counting, { restart: () => expect.fail(), line: (text) => lines.push(text) });
  await handle.close();
  expect(lines).toEqual(['new']);
  expect(bytes).toBeLessThan(1000);
});

it('reads a file anew that became shorter, was exchanged, or was written over', async () => {
  await writeFile(file, 'a\nb\nc\n');
  await read();
  await writeFile(file, 'a\nb\n');
  expect(await read()).toEqual(['↺', '1:a', '2:b']);
  await writeFile(`${file}.tmp`, 'a\nb\nd\ne\n');
  await rename(`${file}.tmp`, file);
  expect(await read()).toEqual(['↺', '1:a', '2:b', '3:d', '4:e']);
  await writeFile(file, 'a\nb\nf\ng\nh\n');
  expect(await read()).toEqual(['↺', '1:a', '2:b', '3:f', '4:g', '5:h']);
  await writeFile(file, '');
  expect(await read()).toEqual(['↺']);
  await appendFile(file, 'i\n');
  expect(await read()).toEqual(['1:i']);
});

it('passes over a line longer than 1 MiB, however it comes', async () => {
  await writeFile(file, `a\n${'x'.repeat(3_000_000)}`);
  expect(await read()).toEqual(['1:a', '2:too long']);
  await appendFile(file, 'x'.repeat(2_000_000));
  expect(await read()).toEqual([]);
  await appendFile(file, '\nb\n');
  expect(await read()).toEqual(['3:b']);
});
